"""Does the loss still fall, did it ever, and would larger steps help?"""
