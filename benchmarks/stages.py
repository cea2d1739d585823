"""What benchmarks of several commands share: commands of divtool whose output is kept, and tables."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Stages:
    """A folder of results. A stage is a command of divtool; one whose output is whole is skipped.

    Args:
        given: The options: `folder`, `model`, `divtool`.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.folder = Path(given.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model = given.model
        self.program = shlex.split(given.divtool)

    def path(self, name: str) -> Path:
        """A file or folder of the results."""
        return self.folder / name

    def run(self, name: str, *words: object, resume: bool = False) -> Path:
        """Run a command with `-o`; the answer is where its output lies."""
        output, done = self.path(name), self.path(f"{name}.done")
        command = [*map(str, words), "-o", str(output)]
        if done.exists() and done.read_text() == shlex.join(command):
            return output
        done.unlink(missing_ok=True)
        if resume and output.exists():
            command.append("--resume")
        elif output.is_dir():
            shutil.rmtree(output)
        self._call(command)
        done.write_text(shlex.join(word for word in command if word != "--resume"))
        return output

    def _call(self, words: Sequence[str], **more: Any) -> None:
        print(f"\n$ divtool {shlex.join(words)}", flush=True)
        begun = time.perf_counter()
        subprocess.run([*self.program, *words], check=True, **more)
        print(f"({time.perf_counter() - begun:.0f} s)", flush=True)

    def write(self, name: str, records: Iterable[Record]) -> Path:
        """Records to a file; the same ones leave it as it is."""
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        if not self.path(name).exists() or self.path(name).read_text() != text:
            self.path(name).write_text(text)
        return self.path(name)


def records(path: Path) -> list[Record]:
    """The lines of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [f"\n### {title}\n", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])
