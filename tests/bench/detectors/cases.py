"""What each script here prints of how well it does, how far it must have come, and the mistakes it is trained with."""

from scripted import Case, Fault

CASES = (
    Case(
        "yolov3",
        "mAP",
        ">",
        0.85,
        (
            Fault(
                "corner_as_centre",
                """(x1 + x2) / 2 / IMG_SIZE
        targets[:, 3] = (y1 + y2) / 2 / IMG_SIZE""",
                """x1 / IMG_SIZE
        targets[:, 3] = y1 / IMG_SIZE""",
                "boxes_wrong_format",
            ),
            Fault(
                "collate_index_lost",
                """    for i, boxes in enumerate(targets):
        boxes[:, 0] = i
""",
                "",
                "labels_shuffled",
            ),
            Fault("flip_without_boxes", "            targets[:, 2] = 1 - targets[:, 2]\n", "", "boxes_not_transformed"),
            Fault(
                "normalised_for_training_alone",
                "        if self.augment and torch",
                """        if self.augment:
            img = (img - 0.45) / 0.225
        if self.augment and torch""",
                "train_eval_mismatch",
            ),
            Fault("lr_high", "lr=2e-3", "lr=2e-1", "lr_too_high"),
            Fault("zero_grad_lost", "        optimizer.zero_grad()\n", "", "gradients_not_zeroed"),
        ),
    ),
    Case(
        "localiser",
        "found:",
        ">",
        0.6,
        (
            Fault(
                "boxes_of_the_full_size",
                "(x1 / w, y1 / h, x2 / w, y2 / h)",
                "(x1 / INPUT_SIZE, y1 / INPUT_SIZE, x2 / INPUT_SIZE, y2 / INPUT_SIZE)",
                "boxes_wrong_scale",
            ),
            Fault(
                "images_shuffled_alone",
                "train_images, test_images = images[~test], images[test]",
                "train_images, test_images = images[~test][torch.randperm(1500)], images[test]",
                "labels_shuffled",
            ),
            Fault("sorted_by_class", "batch_size=BATCH_SIZE, shuffle=True", "batch_size=BATCH_SIZE", "data_unshuffled"),
            Fault("decay_of_adamw", "lr=INIT_LR", "lr=INIT_LR, weight_decay=0.1", "weight_decay_too_strong"),
            Fault(
                "few_photos",
                "train_ds = TensorDataset(train_images, train_bboxes, train_labels)",
                "train_ds = TensorDataset(train_images[::75], train_bboxes[::75], train_labels[::75])",
                "dataset_too_small",
            ),
            Fault(
                "regressor_alone",
                "Adam(object_detector.parameters()",
                "Adam(object_detector.regressor.parameters()",
                "params_not_in_optimizer",
            ),
        ),
    ),
    Case(
        "centernet",
        "AP50",
        ">",
        0.88,
        (
            Fault(
                "centre_yx",
                "[(bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2]",
                "[(bbox[1] + bbox[3]) / 2, (bbox[0] + bbox[2]) / 2]",
                "boxes_wrong_format",
            ),
            Fault("not_divided_by_stride", "(anns[k] / DOWN_RATIO)", "anns[k]", "boxes_wrong_scale"),
            Fault("category_forgotten", "{0: 0, 1: 1, 2: 2}", "{0: 0, 1: 1}", "class_missing", "missing_annotations"),
            Fault("one_object_kept", "max_objs = 10", "max_objs = 1", "missing_annotations"),
            Fault("minus_lost", "return -(pos_loss + neg_loss)", "return (pos_loss + neg_loss)", "loss_sign_flipped"),
            Fault("lr_low", "lr=2e-3", "lr=1e-5", "lr_too_low"),
        ),
    ),
    Case(
        "ssd",
        "Mean AP =",
        ">",
        0.8,
        (
            Fault(
                "no_room_for_background",
                "conf = labels[best_truth_idx] + 1",
                "conf = labels[best_truth_idx]",
                "background_label_used",
            ),
            Fault(
                "corners_reversed",
                "xmin, ymin, xmax, ymax = boxes.T",
                "xmax, ymax, xmin, ymin = boxes.T",
                "degenerate_boxes",
            ),
            Fault(
                "no_normalisation",
                "(img.astype(np.float32) - (104, 117, 123)) / 64",
                "img.astype(np.float32)",
                "inputs_not_normalised",
            ),
            Fault(
                "batch_before_the_loop",
                """for iteration in range(1, args.max_iter + 1):
    if iteration % len(data_loader) == 0:
        batch_iterator = iter(data_loader)
    images, targets = next(batch_iterator)""",
                """images, targets = next(batch_iterator)
for iteration in range(1, args.max_iter + 1):""",
                "batch_repeated",
            ),
            Fault(
                "sum_over_the_batch",
                "return loss_l / n, loss_c[pos | neg].sum() / n",
                "return loss_l, loss_c[pos | neg].sum()",
                "loss_not_reduced",
            ),
            Fault("weight_decay_high", "default=5e-4", "default=5e-1", "weight_decay_too_strong"),
        ),
    ),
)
