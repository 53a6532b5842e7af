"""The draw against the contract's vectors, against its own definition, and against the two verifiers that players download."""

import importlib.util
import itertools
import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fairness
from fairness import algorithm

STATIC = Path(fairness.__file__).parent / "static" / "fairness"
VECTORS: dict[str, Any] = json.loads((STATIC / "vectors.json").read_text())


@pytest.fixture(scope="module")
def verifier() -> ModuleType:
    """Return the downloadable Python verifier, loaded from its one file."""
    spec = importlib.util.spec_from_file_location("verify_round", STATIC / "verify_round.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def inputs(vector: dict[str, Any]) -> dict[str, Any]:
    """Return a vector's inputs as `algorithm.roll` takes them."""
    return {
        "server_seed": vector["serverSeed"],
        "client_seed": vector["clientSeed"],
        "nonce": vector["nonce"],
        "reel_index": vector["reelIndex"],
        "snapshot_hash": vector["snapshotHash"],
        "total_weight": int(vector["totalWeight"]),
    }


class TestSeedHash:
    """`algorithm.seed_hash`."""

    def test_starts_as_in_the_contract(self) -> None:
        assert algorithm.seed_hash("00" * 31 + "01").startswith("c386d8e8d0734")

    @pytest.mark.parametrize("vector", VECTORS["seedHashes"])
    def test_agrees_with_the_vectors(self, vector: dict[str, Any]) -> None:
        assert algorithm.seed_hash(vector["serverSeed"]) == vector["serverSeedHash"]


class TestRoll:
    """`algorithm.roll`."""

    @pytest.mark.parametrize(("nonce", "reel_index", "expected"), [(0, 0, 0), (0, 1, 64), (1, 0, 67), (2, 0, 58), (42, 3, 18)])
    def test_agrees_with_the_contract(self, nonce: int, reel_index: int, expected: int) -> None:
        rolled = algorithm.roll(
            server_seed="00" * 31 + "01",
            client_seed="lucky",
            nonce=nonce,
            reel_index=reel_index,
            snapshot_hash="ab" * 32,
            total_weight=100,
        )

        assert rolled == expected

    @pytest.mark.parametrize("vector", VECTORS["rolls"], ids=lambda vector: vector["about"])
    def test_agrees_with_the_vectors(self, vector: dict[str, Any]) -> None:
        assert algorithm.roll(**inputs(vector)) == int(vector["roll"])

    def test_has_vectors_that_need_more_than_one_attempt(self) -> None:
        assert any(vector["attempts"] > 1 for vector in VECTORS["rolls"])

    @given(
        nonce=st.integers(0, 2**63 - 1),
        reel_index=st.integers(0, 2**31 - 1),
        client_seed=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
        # Beyond 2^253 a number out of the last block is no rarity.
        total_weight=st.integers(1, 2**53) | st.integers(2**253, 2**256),
    )
    def test_is_what_the_contract_defines(
        self, verifier: ModuleType, nonce: int, reel_index: int, client_seed: str, total_weight: int
    ) -> None:
        message = f"{client_seed}:{nonce}:{reel_index}:{'ab' * 32}"
        *thrown_away, (_, number, accepted) = verifier.attempts("5e" * 32, message, total_weight)

        rolled = algorithm.roll(
            server_seed="5e" * 32,
            client_seed=client_seed,
            nonce=nonce,
            reel_index=reel_index,
            snapshot_hash="ab" * 32,
            total_weight=total_weight,
        )

        limit = 2**256 // total_weight * total_weight
        assert rolled == number % total_weight
        assert accepted
        assert number < limit
        assert all(early >= limit for _, early, _ in thrown_away)

    def test_draws_each_number_about_as_often(self) -> None:
        common = {"server_seed": "5e" * 32, "client_seed": "even", "reel_index": 0, "snapshot_hash": "ab" * 32}
        counts = Counter(algorithm.roll(**common, nonce=nonce, total_weight=10) for nonce in range(10_000))  # type: ignore[arg-type]

        # Chi-squared with 9 degrees of freedom is above 27.9 once in a thousand seeds; this seed is fixed.
        assert sum((counts[number] - 1_000) ** 2 / 1_000 for number in range(10)) < 27.9


class TestPick:
    """`algorithm.pick`."""

    @pytest.mark.parametrize("vector", VECTORS["picks"])
    def test_agrees_with_the_vectors(self, vector: dict[str, Any]) -> None:
        assert algorithm.pick(list(itertools.accumulate(vector["weights"])), vector["roll"]) == vector["prizeIndex"]

    @given(weights=st.lists(st.integers(1, 5), min_size=1, max_size=12))
    def test_gives_each_prize_as_many_rolls_as_its_weight(self, weights: list[int]) -> None:
        cumulative = list(itertools.accumulate(weights))

        picked = Counter(algorithm.pick(cumulative, roll) for roll in range(cumulative[-1]))

        assert [picked[index] for index in range(len(weights))] == weights


class TestPythonVerifier:
    """`verify_round.py`, as downloaded."""

    @pytest.mark.parametrize("vector", VECTORS["rolls"], ids=lambda vector: vector["about"])
    def test_rolls_as_the_vectors(self, verifier: ModuleType, vector: dict[str, Any]) -> None:
        total = int(vector["totalWeight"])
        message = f"{vector['clientSeed']}:{vector['nonce']}:{vector['reelIndex']}:{vector['snapshotHash']}"

        attempts = list(verifier.attempts(vector["serverSeed"], message, total))

        assert len(attempts) == vector["attempts"]
        assert attempts[-1][1] % total == int(vector["roll"])

    @pytest.mark.parametrize("vector", VECTORS["snapshots"])
    def test_hashes_prize_tables_as_the_vectors(self, verifier: ModuleType, vector: dict[str, Any]) -> None:
        assert verifier.canonical(vector["snapshot"]) == vector["canonical"]
        assert verifier.sha256(vector["canonical"]) == vector["snapshotHash"]

    @pytest.mark.parametrize("vector", VECTORS["picks"])
    def test_picks_as_the_vectors(self, verifier: ModuleType, vector: dict[str, Any]) -> None:
        assert verifier.pick(vector["weights"], vector["roll"]) == vector["prizeIndex"]

    @pytest.mark.parametrize("vector", VECTORS["rounds"], ids=lambda vector: vector["about"])
    def test_judges_rounds_as_the_vectors(
        self, verifier: ModuleType, vector: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        files = [tmp_path / "round.json", *(tmp_path / f"{index}.json" for index in range(len(vector["boxVersions"])))]
        for file, value in zip(files, [vector["round"], *vector["boxVersions"]], strict=True):
            file.write_text(json.dumps(value), encoding="utf-8")

        status = verifier.main([str(file) for file in files])

        assert status == verifier.STATUS[vector["verdict"]]
        assert verifier.CONCLUSION[vector["verdict"]] in capsys.readouterr().out

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"draws": 5}'])
    def test_says_that_it_can_not_read_a_file(self, verifier: ModuleType, content: str, tmp_path: Path) -> None:
        (tmp_path / "round.json").write_text(content)

        with pytest.raises(SystemExit, match="could not be read"):
            verifier.main([str(tmp_path / "round.json")])
