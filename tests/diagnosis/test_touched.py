"""From a patch and the text of its file to the functions that it touches, and which files may use which."""

import pytest

from app.diagnosis.changes import parse_patch
from app.diagnosis.touched import may_reach, names_in, touched_functions
from app.evidence.model import FileChange
from app.redact import cut

AFTER = """\
import os


class Cart:
    def total(self):
        # all of it
        out = self.part(0)
        return out

    def part(self, i):
        return self.parts[i]


def empty():
    return Cart()
"""


def change(hunk: str) -> FileChange:
    (file,) = parse_patch(cut(f"diff --git a/cart.py b/cart.py\n--- a/cart.py\n+++ b/cart.py\n{hunk}"))
    return file


@pytest.mark.parametrize(
    ("hunk", "names"),
    [
        ("@@ -7,1 +7,1 @@\n-        out = 0\n+        out = self.part(0)\n", ["Cart.total"]),
        ("@@ -7,2 +7,1 @@\n-        out = 0\n         out = self.part(0)\n", ["Cart.total"]),
        ("@@ -8,2 +8,1 @@\n         return out\n-        return 0\n", ["Cart.total"]),
        ("@@ -15,2 +15,1 @@\n     return Cart()\n-    return None\n", ["empty"]),
        (
            "@@ -5,2 +5,2 @@\n-    def total(self, x):\n-        # all\n+    def total(self):\n+        # all of it\n",
            ["Cart.total"],
        ),
        ("@@ -6,1 +6,1 @@\n-        # all\n+        # all of it\n", []),
        ("@@ -1,1 +1,1 @@\n-import sys\n+import os\n", []),
        (
            "@@ -8,0 +8,8 @@\n+        return out\n+\n+    def part(self, i):\n+        return self.parts[i]\n",
            ["Cart.total", "Cart.part"],
        ),
    ],
)
def test_a_change_touches_the_innermost_function_around_each_of_its_lines(hunk: str, names: list[str]) -> None:
    assert [span.name for span in touched_functions(change(hunk), AFTER)] == names


@pytest.mark.parametrize(
    ("path", "text", "other", "reaches"),
    [
        ("shop/api.py", "", "shop/api.py", True),
        ("shop/api.py", "from shop.users import load", "shop/users.py", True),
        ("shop/api.py", "from shop import stock", "shop/users.py", False),
        ("shop/api.py", "from shop.users import load", "shop/users/__init__.py", True),
        ("src/A.java", "", "src/UserStore.java", True),
        ("src/A.java", "private UserStore users;", "src/data/UserStore.java", True),
        ("src/A.java", "private Users users;", "src/data/UserStore.java", False),
        ("app/a.rb", "UserStore.new", "app/user_store.rb", True),
        ("src/a.js", "require('./user-store')", "src/user-store.js", True),
        ("src/a.js", "require('./users')", "src/users/index.js", True),
        ("view/a.go", 'import "acme.example/users"', "users/users.go", True),
        ("shop/api.py", "users", "web/users.js", False),
    ],
)  # fmt: skip
def test_code_reaches_its_own_file_its_package_and_the_files_that_it_names(
    path: str, text: str, other: str, reaches: bool
) -> None:
    assert may_reach(path, names_in(text), other) is reaches
