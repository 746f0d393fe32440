"""Terms that a page explains in place."""

TERMS = {
    "MAE": "Mean absolute error: the mean distance between forecast and measurement, over all steps and windows.",
    "error rate": "The share of windows whose most probable class is not their label.",
    "balanced accuracy": "The mean of the recalls of all classes, so that rare classes count as much as frequent ones.",
    "macro F1": "The mean over classes of the harmonic mean of precision and recall.",
    "calibration error": "How far stated probabilities are from how often such answers are right, in the mean over "
    "ten bins (expected calibration error).",
    "recall": "Of the windows with this label, the share that is answered so.",
    "precision": "Of the windows answered so, the share that has this label.",
    "95 % interval": "Found by drawing whole groups 2,000 times with replacement (bootstrap): how far the error "
    "would vary with other groups of the same kind.",
    "teacher": "The large float network, or the mean of several, whose forecasts the small networks learn to imitate.",
    "baseline": "A method without training, or with a linear one, that any network has to beat.",
    "candidate": "One small network, pruned and quantized, as the search made it.",
    "Pareto front": "The candidates that no other one beats in every respect: smaller ones are less accurate, more "
    "accurate ones are larger.",
    "hypervolume": "The part of the box between zero and the reference point that the candidates dominate: larger is "
    "better, 1 is unreachable.",
    "stage 1": "Distillation: the float network learns from the measured target and from the teacher.",
    "stage 2": "Recovery: the network trains on after pruning and with the integer grid applied in float, so that it "
    "makes up for what both cost.",
    "arena": "The block of RAM that TFLite-Micro's interpreter works in; generated C needs none.",
    "MACs": "Multiply-accumulate operations of one forecast.",
    "parity": "Two engines give the same output for the same window; to the last bit, where integers are compared.",
    "DLNet": "A published network for battery forecasts (arXiv 2601.06227): encoder, Euler steps of a liquid layer, "
    "decoder. Its layers, losses and learning rate, trained on the same data.",
    "eta squared": "The share of the differences between candidates (of their ranks) that one parameter explains by "
    "itself: 0 for none, 1 for all (Kruskal and Wallis), corrected for chance.",
    "generation": "Candidates that the search trained together, before it looked at their results.",
}
