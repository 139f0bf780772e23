"""The model card: written from the manifest alone, so that it can say nothing that was not measured."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from mobile_runtime.manifest import Estimate, Manifest

FIGURES = {
    "auc_malignancy": "malignancy AUC",
    "auc_melanoma_vs_nevus": "melanoma against nevus AUC",
    "auc_macro": "macro AUC over classes",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity_rule_out": "sensitivity at rule_out",
    "specificity_rule_out": "specificity at rule_out",
}


def _interval(estimate: Estimate | None, digits: int = 3) -> str:
    if estimate is None:
        return ""
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f}-{estimate.high:.{digits}f}), n={estimate.n}"


def write_card(manifest: Manifest) -> str:
    """Markdown of the model card."""
    environment = Environment(
        loader=PackageLoader("export"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=select_autoescape(),
    )
    environment.filters["interval"] = _interval
    template = environment.get_template("model_card.md.j2")
    return template.render(m=manifest, figures=FIGURES, default=manifest.variants[manifest.default_variant])
