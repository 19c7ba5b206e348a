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
    Case(
        "faster_rcnn",
        "AP50 =",
        ">",
        0.7,
        (
            Fault(
                "labels_from_nought",
                "torch.from_numpy(kinds) + 1  # 0 is background",
                "torch.from_numpy(kinds)",
                "background_label_used",
            ),
            Fault(
                "boxes_as_plain_tensors",
                'tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=img.shape[-2:])',
                "torch.from_numpy(boxes)",
                "boxes_not_transformed",
            ),
            Fault(
                "divided_by_255_twice",
                """tv_tensors.Image(torch.from_numpy(img).permute(2, 0, 1))""",
                """tv_tensors.Image(torch.from_numpy(img).permute(2, 0, 1).float() / 255 / 255)""",
                "inputs_normalised_twice",
            ),
            Fault(
                "scheduler_every_batch",
                """            warmup_scheduler.step()
""",
                """            warmup_scheduler.step()
        lr_scheduler.step()
""",
                "schedule_too_fast",
                "lr_zero",
            ),
            Fault(
                "all_but_the_head_frozen",
                "params = [p for p in model.parameters() if p.requires_grad]",
                """model.requires_grad_(False)
model.roi_heads.box_predictor.requires_grad_(True)
params = [p for p in model.parameters() if p.requires_grad]""",
                "frozen_params",
            ),
        ),
    ),
    Case(
        "retinanet",
        "valid mAP@0.5:",
        ">",
        0.55,
        (
            Fault(
                "boxes_as_they_were",
                """torch.as_tensor(sample["bboxes"], dtype=torch.float32).reshape(-1, 4)
        target["labels"] = torch.as_tensor(sample["labels"], dtype=torch.int64)""",
                """torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        target["labels"] = torch.as_tensor(labels, dtype=torch.int64)""",
                "boxes_not_transformed",
            ),
            Fault(
                "pixelated",
                "A.RandomBrightnessContrast(p=0.3)",
                "A.Downscale(scale_range=(0.05, 0.1), p=1.0)",
                "augmentation_too_strong",
            ),
            Fault(
                "tiny_crops",
                "A.Affine(scale=(0.8, 1.2), translate_percent=0.1, p=0.5)",
                "A.RandomResizedCrop((64, 64), scale=(0.01, 0.05), p=1.0)",
                "augmentation_drops_boxes",
                "augmentation_too_strong",
            ),
            Fault("zero_grad_lost", "        optimizer.zero_grad()\n", "", "gradients_not_zeroed"),
            Fault("betas_exchanged", "lr=2e-3", "lr=2e-3, betas=(0.999, 0.9)", "momentum_too_high"),
        ),
    ),
    Case(
        "detr",
        "AP50 =",
        ">",
        0.5,
        (
            Fault("boxes_in_pixels", "        boxes = boxes / torch.tensor([w, h, w, h])\n", "", "boxes_wrong_scale"),
            Fault("no_object_is_nought", "2], self.num_classes)", "2], 0)", "background_label_used"),
            Fault(
                "filtered_after_the_conversion",
                """        keep = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes = box_convert(boxes, "xyxy", "cxcywh")
""",
                """        boxes = box_convert(boxes, "xyxy", "cxcywh")
        keep = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
""",
                "empty_targets",
                "missing_annotations",
            ),
            Fault("black_images", "(img / 255)", '((img / 255).astype("uint8"))', "inputs_constant"),
            Fault("giou_as_its_own_loss", "(1 - giou(src", "(giou(src", "loss_sign_flipped"),
            Fault("lr_high", "lr=1e-3", "lr=3e-2", "lr_too_high"),
        ),
    ),
    Case(
        "fcos_trainer",
        "AP50:",
        ">",
        0.9,
        (
            Fault("xywh_as_corners", "[x, y, x + w, y + h, cat2label", "[x, y, w, h, cat2label", "boxes_wrong_format"),
            Fault("crowds_alone", 'if ann["iscrowd"]:', 'if not ann["iscrowd"]:', "empty_targets"),
            Fault(
                "labels_as_categories",
                "self.val_set.label2cat[label[i].item()]",
                "label[i].item()",
                "class_names_mismatch",
                "train_eval_mismatch",
            ),
            Fault(
                "evaluation_not_normalised",
                "self.ema_model.ema(self.preprocess(images))",
                "self.ema_model.ema(images.float())",
                "train_eval_mismatch",
            ),
            Fault(
                "small_ones_skipped",
                'if ann["iscrowd"]:',
                'if ann["iscrowd"] or ann["area"] < 400:',
                "missing_annotations",
            ),
            Fault(
                "warmup_in_steps",
                "warmup_epochs: int = 1",
                "warmup_epochs: int = 500",
                "warmup_never_ends",
                "lr_too_low",
            ),
        ),
    ),
    Case(
        "rotated",
        "F1@0.5",
        ">",
        0.7,
        (
            Fault(
                "images_in_another_order",
                'sorted((root / "images").glob("*.png"))',
                'sorted((root / "images").glob("*.png"), key=lambda path: int(path.stem[1:]))',
                "labels_shuffled",
            ),
            Fault(
                "crop_without_boxes",
                "img[y0 : y0 + CROP, x0 : x0 + CROP], polys - (x0, y0)",
                "img[y0 : y0 + CROP, x0 : x0 + CROP], polys",
                "boxes_not_transformed",
            ),
            Fault("no_normalisation", "        img = (img - 110.0) / 55.0\n", "", "inputs_not_normalised"),
            Fault(
                "unit_weights",
                'nn.init.kaiming_normal_(m.weight, nonlinearity="relu")',
                "nn.init.normal_(m.weight)",
                "init_too_large",
            ),
            Fault("step_not_called", "        optimizer.step()", "        optimizer.step", "optimizer_not_stepping"),
            Fault("score_never_trained", "loss = cls_loss + 4 * box_loss", "loss = 4 * box_loss", "graph_detached"),
        ),
    ),
)
