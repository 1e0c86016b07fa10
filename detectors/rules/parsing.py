"""Rules as they come over a door or a process seam: checked as a whole, refused with the field named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import category

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from detectors.rules.config import RuleConfig
from detectors.rules.ground import on_ground
from detectors.rules.schedule import longest_on
from detectors.rules.zones import has_place

MOST_RULES = 32
MOST_CORNERS = 2048
"""Of all zones and exclusions of a view: at each look whatever may burn is held against each of them."""
LOWEST_FEET = 0.02
"""Where the lowest point of a zone for people or stalls must lie at least, as a share of the picture from above."""
_RULE: TypeAdapter[RuleConfig] = TypeAdapter(RuleConfig)
_KINDS = ("fire", "crowd", "stall")


class RulesRefused(Exception):
    """The rules cannot be used; ``field`` names what is wrong, dotted, such as ``rules.0.polygon``."""

    def __init__(self, reason: str, zh: str, en: str, field: str) -> None:
        super().__init__(f"{field}: {en}")
        self.reason = reason
        self.zh = zh
        self.en = en
        self.field = field


@dataclass(frozen=True, slots=True)
class UnusableRule:
    """A rule that was armed before, as it was kept, and why it cannot be used."""

    rule: object
    why: RulesRefused


@dataclass(frozen=True, slots=True)
class KeptRules:
    """Rules that were armed before."""

    usable: tuple[RuleConfig, ...]
    unusable: tuple[UnusableRule, ...]


def parse_rules(rules: object) -> tuple[RuleConfig, ...]:
    """Check a list of rules in their JSON form. Raises ``RulesRefused``."""
    if not isinstance(rules, Sequence) or isinstance(rules, str | bytes):
        raise RulesRefused("rules_invalid", "规则应为列表", "rules are a list", "rules")
    if len(rules) > MOST_RULES:
        raise RulesRefused("rules_too_many", f"规则最多 {MOST_RULES} 条", f"at most {MOST_RULES} rules", "rules")
    if sum(map(_corners, rules)) > MOST_CORNERS:
        raise RulesRefused(
            "rules_too_large",
            f"区域和排除区域的顶点合计最多 {MOST_CORNERS} 个",
            f"zones and exclusions have at most {MOST_CORNERS} corners in all",
            "rules",
        )
    parsed = [_parsed(number, rule) for number, rule in enumerate(rules)]
    seen: set[tuple[str, str]] = set()
    for number, one in enumerate(parsed):
        if (one.kind, one.zone) in seen:
            raise RulesRefused(
                "zone_doubled",
                f"同类规则的区域名称“{one.zone}”重复",
                f"two {one.kind} rules have a zone named {one.zone!r}",
                f"rules.{number}.zone",
            )
        seen.add((one.kind, one.zone))
        _refuse_unseen_signs(number, one.zone)
        _refuse_what_never_fires(number, one)
    return tuple(parsed)


def parse_kept(rules: Sequence[object]) -> KeptRules:
    """Those that were armed before, under an older version perhaps, each on its own: what would never fire is taken as
    it is, and what cannot be used takes no other's watch away."""
    usable: list[RuleConfig] = []
    unusable: list[UnusableRule] = []
    for number, rule in enumerate(rules):
        try:
            usable.append(_parsed(number, rule))
        except RulesRefused as refused:
            unusable.append(UnusableRule(rule, refused))
    return KeptRules(tuple(usable), tuple(unusable))


def _corners(rule: object) -> int:
    """As it came, not checked yet."""
    if not isinstance(rule, Mapping):
        return 0
    polygon, exclusions = rule.get("polygon", ()), rule.get("exclusions", ())
    parts = (polygon, *(exclusions if isinstance(exclusions, Sequence) else ()))
    return sum(len(part) for part in parts if isinstance(part, Sequence))


def _parsed(number: int, rule: object) -> RuleConfig:
    try:
        return _RULE.validate_python(rule)
    except ValidationError as error:
        raise _refused(number, error.errors()[0]) from error


def as_json(rules: Sequence[RuleConfig]) -> list[dict[str, Any]]:
    """JSON-ready, with every field; ``parse_rules`` reads it back."""
    return [rule.model_dump(mode="json") for rule in rules]


def _refuse_unseen_signs(number: int, zone: str) -> None:
    """Control signs cannot be kept, and by one that nobody sees two zones seem to have the same name."""
    if any(category(sign) in ("Cc", "Cf") for sign in zone):
        field = f"rules.{number}.zone"
        raise RulesRefused(
            "zone_invalid",
            f"区域名称含不可见字符（{field}）",
            f"the zone's name has signs that nobody sees ({field})",
            field,
        )


def _refuse_what_never_fires(number: int, rule: RuleConfig) -> None:
    """Outside its hours a rule forgets what it saw: a dwell must end within them. Above the horizon nobody stands, nor
    along the picture's upper edge: who has his feet there is above the picture."""
    if rule.kind != "fire" and rule.dwell_seconds >= longest_on(rule.hours):
        field = f"rules.{number}.hours"
        raise RulesRefused(
            "never_fires",
            f"生效时段短于持续时长，规则永远不会触发（{field}）",
            f"its hours are no longer than its dwell: the rule could never fire ({field})",
            field,
        )
    if rule.kind != "fire" and not _reaches_down(rule):
        field = f"rules.{number}.polygon"
        raise RulesRefused(
            "never_fires",
            f"区域紧贴画面上沿，脚不会落在其中，规则永远不会触发（{field}）",
            f"nobody's feet are ever so near the picture's upper edge: the rule could never fire ({field})",
            field,
        )
    plane = rule.plane if rule.kind == "crowd" else None
    if plane is not None and not has_place(
        rule.polygon, rule.exclusions, lambda one: on_ground(one, plane) is not None
    ):
        field = f"rules.{number}.ground"
        raise RulesRefused(
            "never_fires",
            f"区域全在标定的地平线以上，规则永远不会触发（{field}）",
            f"the whole zone lies above the horizon of the calibration: the rule could never fire ({field})",
            field,
        )


def _reaches_down(rule: RuleConfig) -> bool:
    """Whether feet may be in what counts of a zone."""
    if not rule.exclusions:
        return max(y for _, y in rule.polygon) >= LOWEST_FEET
    return has_place(rule.polygon, rule.exclusions, lambda one: one.y >= LOWEST_FEET)


def _refused(number: int, error: ErrorDetails) -> RulesRefused:
    context: Mapping[str, Any] = error.get("ctx", {})
    loc = [str(part) for part in error["loc"]]
    if loc and loc[0] in _KINDS:
        loc = loc[1:]  # the discriminator's tag
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        loc = ["kind"]
    if context.get("field"):
        loc.append(str(context["field"]))
    field = ".".join(["rules", str(number), *loc])
    if error["type"] == "rule_refused":
        return RulesRefused(context["reason"], f"{context['zh']}（{field}）", f"{context['en']} ({field})", field)
    zh = _CHINESE.get(error["type"], "取值无效").format_map(_Blank(context))
    return RulesRefused("rule_invalid", f"{zh}（{field}）", f"{error['msg']} ({field})", field)


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


_CHINESE = {
    "missing": "缺少该项",
    "extra_forbidden": "没有该项",
    "union_tag_invalid": "规则种类应为 fire、crowd 或 stall",
    "union_tag_not_found": "缺少规则种类 kind：fire、crowd 或 stall",
    "model_attributes_type": "规则应为对象",
    "model_type": "规则应为对象",
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "不应小于 {ge}",
    "less_than": "应小于 {lt}",
    "less_than_equal": "不应大于 {le}",
    "finite_number": "应为有限的数",
    "float_type": "应为数",
    "float_parsing": "应为数",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "string_type": "应为文字",
    "string_too_short": "至少 {min_length} 个字",
    "string_too_long": "最多 {max_length} 个字",
    "tuple_type": "应为列表",
    "too_long": "最多 {max_length} 项",
    "too_short": "至少 {min_length} 项",
}
