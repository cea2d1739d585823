from __future__ import annotations

from divtool.core.audit.record import record
from divtool.core.audit.sequence_reading import sequence_reading
from divtool.core.audit.sequence_tasks import sequence_prompts, sequence_tasks
from divtool.core.reporting.audit_rows import audit_row
from divtool.core.reporting.sequence_table import sequence_table


def test_the_order_in_sequences_beside_chance() -> None:
    (prompt,) = sequence_prompts(next(task for task in sequence_tasks() if task.id == "tosses-20"))
    made = record(prompt, sequence_reading(prompt, ["HT" * 10] * 30, [], 0), "model")
    table = sequence_table([audit_row(made)], "Order")
    assert table is not None
    cells = {row[2]: row for row in table.rows}
    name = "tosses-20, given \u00b7 sequence"
    assert cells["runs"][:4] == (name, "within sequences", "runs", "20.000")
    assert cells["equal pairs"][1:4] == ("between sequences", "equal pairs", "1.000")
    broken = audit_row({**made, "sequence": {"within": {"runs": {"value": "x"}}, "between": 3}})
    assert sequence_table([broken], "Order") is not None
    assert sequence_table([audit_row({**made, "sequence": None})], "Order") is None
