"""ESC-10: the ESC-50 protocol on its ten easiest classes, mean accuracy of the five official folds.

Source: K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015.
"""

from unlabeled.benchmarks.esc50 import Esc

BENCHMARK = Esc("esc10", "ESC-10")
