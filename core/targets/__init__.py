"""Target answer distributions: what `train --method diffuse` trains towards and `random-audit` compares with."""
