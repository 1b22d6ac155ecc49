"""Five hundred strings that try to be more than text."""

import itertools

CALL = "window.ran=1"
TAGS = (
    f"<script>{CALL}</script>",
    f"<img src=x onerror={CALL}>",
    f"<svg onload={CALL}>",
    f"<svg><script>{CALL}</script></svg>",
    f'<iframe srcdoc="<script>parent.{CALL}</script>"></iframe>',
    f"<iframe src=javascript:parent.{CALL}></iframe>",
    f"<body onload={CALL}>",
    f"<details open ontoggle={CALL}>",
    f"<input autofocus onfocus={CALL}>",
    f"<video><source onerror={CALL}></video>",
    f"<audio src=x onerror={CALL}>",
    f"<object data=javascript:{CALL}>",
    f"<embed src=javascript:{CALL}>",
    f"<math><mi xlink:href=javascript:{CALL}>x</mi></math>",
    f"<a href=javascript:{CALL}>x</a>",
    f"<style>@import 'javascript:{CALL}'</style>",
    f"<link rel=stylesheet href=javascript:{CALL}>",
    f"<meta http-equiv=refresh content=0;javascript:{CALL}>",
    f"<template><script>{CALL}</script></template>",
    f"<noscript><img src=x onerror={CALL}></noscript>",
    f"<marquee onstart={CALL}>",
    f"<form><button formaction=javascript:{CALL}>x</button></form>",
    f"<base href=javascript:{CALL}//>",
    "{@html '<img src=x onerror=window.ran=1>'}",
    "{{constructor.constructor('window.ran=1')()}}",
    "${window.ran=1}",
    "javascript:window.ran=1",
    "data:text/html,<script>parent.ran=1</script>",
    "'; window.ran=1; //",
    "'; DROP TABLE market; --",
    "__proto__",
    "constructor",
    "\u202egnp.exe\u202c",
    "\u0000\u0001\u001b[31m",
    '=HYPERLINK("javascript:window.ran=1")',
    "../../../../etc/passwd",
    "%3Cscript%3Ewindow.ran=1%3C/script%3E",
    "&lt;script&gt;window.ran=1&lt;/script&gt;",
    "\u2028window.ran=1\u2029",
    "\U0001f47e" * 20,
    "A\u0300\u0301\u0302\u0303" * 8,
    "x" * 300,
)
WRAPS = (
    "{}", '"{}', "'{}", '">{}', "'>{}", "</title>{}", "</textarea>{}", "</script>{}", "-->{}",
    "]]>{}", "AAPL {}", "`{}`",
)  # fmt: skip
STRINGS = tuple(
    dict.fromkeys(wrap.replace("{}", tag) for wrap, tag in itertools.product(WRAPS, TAGS))
)[:500]
