"""Joined scripts: their content, the rest of the other files, and refused forms."""

from __future__ import annotations

import pytest

from agent.http.modules import joined

PAGE = """import { one } from "./low.js";
import * as middle from "./middle.js";
middle.two(one);
"""
MIDDLE = """// Says two.
import { one } from "./low.js";
export async function two() {
  return one;
}
"""
LOW = """let count = 0;
export const one = () => count++;
export class Two {}
export function* all() {}
"""
LATE = """import { one } from "./low.js";
one();
"""
FILES = {"page": PAGE, "middle": MIDDLE, "low": LOW, "late": LATE}
JOINED = """// low.js
const $low = (() => {
let count = 0;
const one = () => count++;
class Two {}
function* all() {}
return { one, Two, all };
})();
// middle.js
const $middle = (() => {
// Says two.
const { one } = $low;
async function two() {
  return one;
}
return { two };
})();
// page.js
const $page = (() => {
const { one } = $low;
const middle = $middle;
middle.two(one);
})();
export { $low, $middle };
"""


def test_a_joined_script_contains_each_imported_file_once_before_its_use() -> None:
    assert joined(["page"], FILES)["page"] == JOINED


def test_a_file_that_was_joined_exports_from_the_joined_script() -> None:
    """Another copy would have its own state."""
    made = joined(["page"], FILES)
    assert made["low"] == 'import { $low } from "./page.js";\nexport const { one, Two, all } = $low;\n'
    assert made["late"] == FILES["late"]
    assert made.keys() == FILES.keys()


def test_a_second_joined_script_imports_shared_files_from_the_first() -> None:
    """It also exports what later scripts import from it."""
    more = """import { one } from "./low.js";
import * as extra from "./extra.js";
export const three = one() + extra.four;
"""
    made = joined(["page", "more"], {**FILES, "more": more, "extra": "export const four = 4;\n"})
    assert made["page"] == JOINED
    assert (
        made["more"]
        == """import { $low } from "./page.js";
// extra.js
const $extra = (() => {
const four = 4;
return { four };
})();
// more.js
const $more = (() => {
const { one } = $low;
const extra = $extra;
const three = one() + extra.four;
return { three };
})();
export { $extra };
export const { three } = $more;
"""
    )
    assert made["extra"] == 'import { $extra } from "./more.js";\nexport const { four } = $extra;\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('import { one as two } from "./low.js";', "which cannot be joined"),
        ('import low from "./low.js";', "which cannot be joined"),
        ('import "./low.js";', "which cannot be joined"),
        ("export let one = 1;", "which cannot be joined"),
        ("export default 1;", "which cannot be joined"),
        ("export { one };", "which cannot be joined"),
        ('import { one } from "./page.js";', "page imports low imports page: a circle"),
    ],
)
def test_unsupported_syntax_is_refused(text: str, why: str) -> None:
    """For example, an import that happens while the script runs cannot be joined."""
    with pytest.raises(ValueError, match=why):
        joined(["page"], {"page": 'import { one } from "./low.js";\n', "low": f"{text}\n"})


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ('import { three } from "./low.js";\n', "page.js imports three, which low.js lacks"),
        ('import { one } from "./none.js";\n', "page.js imports none.js, and there is none"),
        ('  import { one } from "./low.js";\n', "which cannot be joined"),
    ],
)
def test_an_import_that_cannot_work_is_refused(page: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        joined(["page"], {**FILES, "page": page})


def test_a_comment_at_the_end_of_a_file_does_not_hide_the_next_line() -> None:
    low = LOW + "// the end"
    assert "// the end\nreturn { one, Two, all };" in joined(["page"], {**FILES, "low": low})["page"]
