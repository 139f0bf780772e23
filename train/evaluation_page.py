"""The evaluation as one self-contained HTML page."""

from __future__ import annotations

import jinja2

from mobile_runtime.manifest import Estimate
from mobile_runtime.taxonomy import Taxonomy
from train.charts import confusion_chart, reliability_chart, roc_chart
from train.evaluation_results import Evaluation

LEVEL_TITLES = {"three_way": "Three-way", "nine_way": "Nine-way", "classes": "Training classes"}


def with_interval(estimate: Estimate | None) -> str:
    """A figure with its 95 % interval, or a dash where there is none."""
    return "-" if estimate is None else f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"


def render(report: Evaluation, taxonomy: Taxonomy) -> str:
    """The page; charts are inline, nothing is loaded from anywhere."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("train", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["interval"] = with_interval
    names = {name: [taxonomy.names[node] for node in level.nodes] for name, level in report.levels.items()}
    return environment.get_template("evaluation.html").render(
        report=report,
        titles=LEVEL_TITLES,
        node_names=taxonomy.names,
        confusion={name: confusion_chart(level, names[name]) for name, level in report.levels.items() if level.images},
        roc={name: roc_chart(task) for name, task in report.tasks.items() if task.curve},
        reliability=reliability_chart(report.calibration) if report.calibration.bins else None,
    )
