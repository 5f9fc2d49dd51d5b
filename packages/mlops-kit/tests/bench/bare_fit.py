"""The peer of the train command: the fit that train.yaml describes, and nothing else."""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

features, target = load_breast_cancer(return_X_y=True, as_frame=True)
fit_features, _, fit_target, _ = train_test_split(
    features, target, test_size=0.2, random_state=0, stratify=target
)
HistGradientBoostingClassifier(max_iter=100, random_state=0).fit(fit_features, fit_target)
