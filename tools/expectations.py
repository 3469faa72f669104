"""What the notebooks' named values say on every machine, whatever is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

Values = Mapping[str, float]


def broken(stem: str, values: Values) -> Iterator[str]:
    """Yield each expectation that a notebook's fresh values do not meet."""
    expected = EXPECTATIONS.get(stem)
    if expected is None:
        return
    try:
        facts = expected(values)
    except KeyError as missing:
        yield f"no value {missing} was recorded"
    else:
        yield from (f"expected: {fact}" for fact, holds in facts.items() if not holds)


def _logit_to_score(values: Values) -> dict[str, bool]:
    left = _named(values, "scores_left_")
    ones = _named(values, "exactly_one: ")
    infinity, haystack = ones["Infinity 0.0.13–0.0.68, float16"], ones["Haystack 2.x, float16"]
    return {
        "stepwise leaves no more bfloat16 scores than fused": left["stepwise_bfloat16"]
        <= left["fused_bfloat16"],
        "stepwise leaves fewer float16 scores than fused": left["stepwise_float16"]
        < left["fused_float16"],
        "fused leaves fewer float16 scores than HPS": left["fused_float16"] < left["HPS_float16"],
        # Spacings below 1 are 2**-8 and 2**-11: so many multiples of them, and 1 itself.
        "bfloat16 scores are the multiples of its spacing": left["fused_bfloat16"]
        == int(0.01 * 2**8) + 1,
        "float16 scores are the multiples of its spacing": left["fused_float16"]
        == int(0.01 * 2**11) + 1,
        "no float32 score is 1.0": ones["float32 reference"] == 0,
        "float16 scores are 1.0, and stepwise no fewer": infinity >= haystack > 0,
        "no fewer bfloat16 scores are 1.0": ones["Haystack 2.x, bfloat16"] >= haystack,
        "no HPS score is 1.0": ones["sentence-transformers ≥ 6, float16"] == 0,
    }


def _steps_near_one(values: Values) -> dict[str, bool]:
    return {
        "stepwise float16 has three scores from 0.998 on": values[
            "float16_stepwise_scores_from_0.998"
        ]
        == 3,
        "fused float16 has five scores from 0.998 on": values["float16_fused_scores_from_0.998"]
        == 5,
    }


def _dtype_toggle(values: Values) -> dict[str, bool]:
    lost = _named(values, "first_lost: ")
    wide = [number for name, number in lost.items() if name.endswith(", float32")]
    # Even float32's sigmoid merges logits a thousandth apart, near 10.
    return {
        "float32 loses fewer first places than float16": bool(wide)
        and max(wide) < lost["Infinity 0.0.13–0.0.68, float16"],
    }


def _issue_203(values: Values) -> dict[str, bool]:
    ones = _named(values, "exactly_one: ")
    became_one = values["became_exactly_one"]
    wide = [number for name, number in ones.items() if name.endswith("to float32")]
    return {
        "scores became exactly 1.0": became_one > 0,
        "scores of 0.998 rose to 0.999": values["raised_0.998_to_0.999"] > 0,
        "first places were lost": values["first_place_lost"] > 0,
        "none became exactly 1.0 in float32": values["became_exactly_one_in_float32"] == 0,
        "the stepwise formula in float16 gives as many": became_one
        == ones["stepwise, float16 to float16"],
        "the fused formula gives fewer": ones["fused, float16 to float16"] < became_one,
        "none of four evaluations in float32 gives any": len(wide) == 4 and not any(wide),
    }


def _read_the_precision(values: Values) -> dict[str, bool]:
    with_logits = _named(values, "outcome_with_logits: ")
    return {
        "no part of a run is misread": values["wrong_on_parts"] == 0,
        "no run is misread": values["outcome: wrong"] == 0,
        "no run with logits is misread": with_logits["wrong"] == 0,
        "some runs are recognised": values["outcome: right"] > 0,
        "every run with logits is recognised": with_logits["right"] > 0
        and not with_logits["several paths left"]
        and not with_logits["cannot tell"],
    }


def _named(values: Values, prefix: str) -> dict[str, float]:
    """Values whose name begins so, by the rest of it."""
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }


def _two_engines(values: Values) -> dict[str, bool]:
    sizes = [values[f"largest, {dtype}"] for dtype in ("float32", "float16", "bfloat16")]
    return {
        "rounding grows from float32 to float16 to bfloat16": sizes == sorted(sizes),
        "no recordings are called more than rounding": values["wrong"] == 0,
        "every holdout is told from rounding": values["holdouts told"] == values["holdouts"],
    }


def _int8_and_company(values: Values) -> dict[str, bool]:
    errors, widths = _named(values, "mean error: "), _named(values, "width: ")
    highest, dynamic = _named(values, "highest: openvino:int8-static"), "onnxruntime:int8-dynamic"
    return {
        "float32 is float32 in other runtimes": max(
            errors["onnxruntime:float32"], errors["openvino:f32"]
        )
        < 1e-4,
        "8-bit weights err less than 8-bit activations": errors["onnxruntime:w8"] < errors[dynamic],
        "another batch moves dynamic int8 more than bfloat16, and that no less than float32": (
            widths[dynamic] > widths["torch:bfloat16"] >= widths["torch:float32"]
        ),
        "random pairs keep less of the top than relevant ones": highest["@random"]
        < highest["@relevant"],
        "film reviews keep less of it than random pairs": highest["@reviews"] < highest["@random"],
        "an upcast restores no difference of two logits": values["upcast"] == values["subtracted"],
        "rows subtracted first do": values["rows"] > values["upcast"],
    }


EXPECTATIONS: dict[str, Callable[[Values], dict[str, bool]]] = {
    "01_logit_to_score": _logit_to_score,
    "02_fp16_steps_near_one": _steps_near_one,
    "03_rerank_dtype_toggle": _dtype_toggle,
    "04_infinity_issue_203": _issue_203,
    "05_read_the_precision": _read_the_precision,
    "10_two_engines": _two_engines,
    "11_int8_and_company": _int8_and_company,
}
