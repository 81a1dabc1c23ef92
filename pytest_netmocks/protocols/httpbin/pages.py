"""The documents of httpbin: what clients' tests look for in them is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pytest_netmocks.protocols.httpbin.answers import HTML, answer, json_answer
from pytest_netmocks.protocols.httpbin.moby_dick import TEXT
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response

_HTML = f"""<!DOCTYPE html>
<html>
  <head>
  </head>
  <body>
    <h1>Herman Melville - Moby-Dick</h1>
    <div>
      <p>
        {TEXT}
      </p>
    </div>
  </body>
</html>
"""

_XML = """<?xml version='1.0' encoding='us-ascii'?>
<slideshow title="Sample Slide Show" date="Date of publication" author="Yours Truly">
  <slide type="all">
    <title>Wake up to WonderWidgets!</title>
  </slide>
  <slide type="all">
    <title>Overview</title>
    <item>Why <em>WonderWidgets</em> are great</item>
    <item/>
    <item>Who <em>buys</em> WonderWidgets</item>
  </slide>
</slideshow>
"""

_SLIDES = [
    {"title": "Wake up to WonderWidgets!", "type": "all"},
    {
        "title": "Overview",
        "type": "all",
        "items": ["Why <em>WonderWidgets</em> are great", "Who <em>buys</em> WonderWidgets"],
    },
]

_SLIDESHOW = {
    "author": "Yours Truly",
    "date": "date of publication",
    "slides": _SLIDES,
    "title": "Sample Slide Show",
}

_DENY = r"""
       .--------.
      /  O    O  \
     |     __     |
      \   /  \   /
       '--------'
  YOU SHOULDN'T BE HERE
"""

_WORDS = ("∮ E⋅da = Q", "γνωρίζω", "Зарегистрируйтесь", "ยินดีต้อนรับ", "ሰላም", "ᚻᛖ ᚳᚹᚫᚦ", "⠓⠑⠇⠇⠕", "你好", "😀")


def _box(kind: str, name: str, value: str, label: str) -> str:
    return f'    <p><label><input type="{kind}" name="{name}" value="{value}"> {label}</label></p>\n'


_SIZES = "".join(_box("radio", "size", size.lower(), size) for size in ("Small", "Medium", "Large"))
_TOPPINGS = "".join(
    _box("checkbox", "topping", value, label)
    for value, label in (
        ("bacon", "Bacon"),
        ("cheese", "Extra cheese"),
        ("onion", "Onion"),
        ("mushroom", "Mushroom"),
    )
)

_FORM = f"""<!DOCTYPE html>
<html>
<head><title>A pizza</title></head>
<body>
<form method="post" action="/post">
  <p><label>Customer: <input name="custname"></label></p>
  <p><label>Telephone: <input type="tel" name="custtel"></label></p>
  <p><label>E-mail: <input type="email" name="custemail"></label></p>
  <fieldset>
    <legend>Size</legend>
{_SIZES}  </fieldset>
  <fieldset>
    <legend>Toppings</legend>
{_TOPPINGS}  </fieldset>
  <p><label>Deliver at: <input type="time" min="11:00" max="21:00" step="900" name="delivery"></label></p>
  <p><label>Instructions: <textarea name="comments"></textarea></label></p>
  <p><button>Order</button></p>
</form>
</body>
</html>
"""

EXAMPLES = {
    "/ip": "the client's address",
    "/uuid": "a random UUID",
    "/user-agent": "the client's User-Agent",
    "/headers": "the header fields of the request",
    "/get": "what was asked, for a GET",
    "/anything": "what was asked, by any method",
    "/base64/aGVsbG8gd29ybGQNCg==": "the text of base64url",
    "/encoding/utf8": "a page in many scripts",
    "/gzip": "an answer in gzip",
    "/deflate": "an answer in deflate",
    "/brotli": "an answer in brotli",
    "/status/418": "an answer with that status",
    "/response-headers?Content-Type=text/plain;+charset=UTF-8&amp;Server=httpbin": "an answer with these fields",
    "/redirect/6": "six redirects",
    "/redirect-to?url=http://example.com/": "a redirect to that URL",
    "/redirect-to?url=http://example.com/&amp;status_code=307": "the same with that status",
    "/relative-redirect/6": "six redirects by paths",
    "/absolute-redirect/6": "six redirects by absolute URLs",
    "/cookies": "the cookies that came along",
    "/cookies/set?k1=v1&amp;k2=v2": "sets cookies",
    "/cookies/delete?k1=&amp;k2=": "deletes cookies",
    "/basic-auth/user/passwd": "basic authentication",
    "/hidden-basic-auth/user/passwd": "the same, hidden behind 404",
    "/bearer": "bearer tokens",
    "/digest-auth/auth/user/passwd/MD5/never": "digest authentication",
    "/stream/20": "twenty lines",
    "/delay/3": "an answer after three seconds",
    "/drip?duration=5&amp;numbytes=5&amp;code=200": "five bytes in five seconds",
    "/range/1024": "bytes of which a Range takes a part",
    "/html": "a page in HTML",
    "/robots.txt": "rules for robots",
    "/deny": "what robots may not read",
    "/cache": "304 to whoever asks for changes",
    "/etag/etag": "entity tags",
    "/cache/60": "Cache-Control",
    "/bytes/1024": "random bytes",
    "/stream-bytes/1024": "random bytes in chunks",
    "/links/10": "pages that link to each other",
    "/image": "an image as the client accepts",
    "/image/png": "an image in PNG",
    "/image/jpeg": "an image in JPEG",
    "/image/webp": "an image in WebP",
    "/image/svg": "an image in SVG",
    "/forms/post": "a form that is posted to /post",
    "/xml": "a document in XML",
    "/json": "a document in JSON",
}
"""Where the first page leads, as it stands in HTML, and what is there."""

_LINKS = "\n".join(f'  <li><a href="{path}"><code>{path}</code></a> {what}</li>' for path, what in EXAMPLES.items())

_INDEX = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<title>%s</title>
<link rel="icon" href="/static/favicon.ico">
</head>
<body>
<h1>httpbin(1): HTTP Request &amp; Response Service</h1>
<p>The endpoints of the well-known httpbin, for tests. <code>/post</code>, <code>/put</code>, <code>/patch</code> and
<code>/delete</code> say what was asked by these methods.</p>
<ul>
  <li><a href="/"><code>/</code></a> this page</li>
{_LINKS}
</ul>
</body>
</html>
"""


def titled(title: str) -> Callable[[HttpRequest], Awaitable[Response]]:
    """The first page under that title, with links to all that can be looked at."""

    async def index(request: HttpRequest) -> Response:
        return answer(200, _INDEX.replace("%s", title).encode())

    return index


async def html(request: HttpRequest) -> Response:
    """A page of prose."""
    return answer(200, _HTML.encode())


async def xml(request: HttpRequest) -> Response:
    """A slide show."""
    return answer(200, _XML.encode(), content_type="application/xml")


async def json(request: HttpRequest) -> Response:
    """The same slide show."""
    return json_answer({"slideshow": _SLIDESHOW})


async def robots(request: HttpRequest) -> Response:
    """What robots may not read."""
    return answer(200, b"User-agent: *\nDisallow: /deny\n", content_type="text/plain")


async def deny(request: HttpRequest) -> Response:
    """The page that robots may not read."""
    return answer(200, _DENY.encode(), content_type="text/plain")


async def utf8(request: HttpRequest) -> Response:
    """Text in many scripts."""
    text = "<h1>Unicode Demo</h1>\n<pre>\n" + "\n".join(_WORDS) + "\n</pre>\n"
    return answer(200, text.encode(), content_type=HTML)


async def form(request: HttpRequest) -> Response:
    """The order of a pizza, which is posted to `/post`."""
    return answer(200, _FORM.encode())
