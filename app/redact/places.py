"""Secrets that are known by the place where they stand: a header, a statement, a call, an option, a sentence, an address.

Leaves values with a name before a sign to `named.py`, and what shows by itself to `shapes.py`.
"""

import re

from app.redact.looks import LONG_PART, NO_NAME, NO_WORD, UUID, changes
from app.redact.named import HARMLESS_VALUE, NOT_THE_SECRET
from app.redact.rules import Rule, always, keep_lead

_RESOURCE_NAME = re.compile(r"[a-z][a-z0-9]{0,20}(?:-[a-z0-9]{1,20}){1,6}")


_LETTERS = re.compile(r"[a-z]{6,40}\.{0,3}")
_TYPE = re.compile(r"[a-z]{2,12}\(\d")
_PAIR = re.compile(r"[a-z_]{2,20}=")
_SAYS_IT = re.compile(r"(?:password|passphrase|passcode|pwd) (?:is|was|=|value) $")
_STATE = re.compile(
    r"(?:\w*(?:ed|ing|able|ible|ent|ory|less|ful|ous|ish|ect|ong|ort|tion|word|thing|ly)|invalid|required|missing|empty|blank"
    r"|unset|hidden|needed|being|simply|either|always|changed|wrong|broken|shorter|longer|weaker|stored|through|really"
    r"|within|without|strength|length)[.]?"
)
"""What a sentence says of a password instead of naming it."""


def _prose_value(match: re.Match[str]) -> str | None:
    """`password hunter2`: only values that no word would look like."""
    value = match[2]
    if value[0] == "[" or HARMLESS_VALUE.fullmatch(value) or _TYPE.match(value) or _PAIR.match(value):
        return None
    lead = match[1].lower()
    password = lead.startswith(("pass", "pwd", "requirepass", "community"))
    if lead[-1] in "\"'`" and lead.startswith("pass"):
        return match[1] + "[secret]"
    if (
        password
        and _LETTERS.fullmatch(value)
        and (NO_WORD.search(value) or _SAYS_IT.search(lead))
        and not _STATE.fullmatch(value)
    ):
        return match[1] + "[secret]"
    if len(value) >= LONG_PART and value.isalpha() and changes(value) >= NO_NAME and NO_WORD.search(value.lower()):
        return match[1] + "[secret]"
    if not (any(c.isdigit() for c in value) and any(c.isalpha() for c in value)):
        return None
    if not match[1].lower().startswith("pass") and _RESOURCE_NAME.fullmatch(value) and not UUID.fullmatch(value):
        return None
    return match[1] + "[secret]"


_ANNOUNCING_SEGMENT = re.compile(
    r"(?:\w{0,16}[_-])?(?:reset|password|passwd|invite|invitation|accept|verify|verification|confirm|confirmation"
    r"|activate|activation"
    r"|magic|unsubscribe|tokens?|key|session|share|join|auth|login|sso|oauth|callback|webhooks?|hooks?|email|link"
    r"|input|incomingwebhook)(?:[_-]\w{1,16})?/",
    re.IGNORECASE,
)


def _path_segment(match: re.Match[str]) -> str | None:
    """`/reset-password/…`: a segment that grants what the one before it says."""
    value = match[2]
    if "." in value or not _DIGIT.search(value) or not any(c.isalpha() for c in value) or UUID.fullmatch(value):
        return None
    return f"/{match[1]}[secret]" if _ANNOUNCING_SEGMENT.fullmatch(match[1]) else None


_LITERAL = re.compile(r"\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+'")


def _keep_first_literal(match: re.Match[str]) -> str:
    """`login('bob', 'hunter2')`: every literal but the first."""
    seen = 0

    def one(literal: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        return literal[0] if seen == 1 else f"{literal[0][0]}[secret]{literal[0][0]}"

    return _LITERAL.sub(one, match[0])


def _every_literal(match: re.Match[str]) -> str:
    return match[1] + _LITERAL.sub(lambda literal: f"{literal[0][0]}[secret]{literal[0][0]}", match[2])


def _unless_harmless(match: re.Match[str]) -> str | None:
    """What a header holds, behind its name."""
    return None if HARMLESS_VALUE.fullmatch(match[0][len(match[1]) :]) else match[1] + "[secret]"


_DIGIT = re.compile(r"\d")

HEADERS = (
    Rule(
        "cookie",
        ("cookie", "set-cookie"),
        # What a cookie holds has a sign or a digit; words alone tell of one.
        re.compile(
            r"((?:set-)?cookies?(?:[\"']?\s{0,3}(?:[:=]|=>)|[\"']\s{0,3},)\s{0,3}[\"']?)(?=\S)"
            r"(?!(?-i:[a-z]{1,14}(?: [a-z]{1,14}){1,20}[.,]?)(?:$|\n))[^\n\"']{2,}",
            re.IGNORECASE,
        ),
        _unless_harmless,
        begins=True,
    ),
    Rule(
        "authorization",
        ("authorization", "proxy-authorization"),
        # These schemes spread over the line; what follows their name is one secret.
        re.compile(
            r"((?:proxy-)?authorization[\\\"']{0,9}\s{0,3}(?:[:=,]|=>)\s{0,3}[\\\"'\[]{0,9}"
            r"(?:digest|aws4-hmac-sha256|hawk|oauth|mac|signature|goog4-\S{1,20}"
            r"|sharedkey\w{0,4})\s{1,3})[^\n]{3,2000}",
            re.IGNORECASE,
        ),
        keep_lead("[secret]"),
        begins=True,
    ),
    Rule(
        "authorization",
        ("authorization", "proxy-authorization"),
        re.compile(
            r"((?:proxy-)?authorization[\\\"']{0,9}\s{0,3}(?:[:=]|(?<=[\"']),|(?<=[\"'] ),"
            r"|=>)\s{0,3}[\\\"'\[]{0,9}(?:[A-Za-z][\w-]{1,20}\s{1,3})?)"
            r"[^\s\"',;\\]{3,}",
            re.IGNORECASE,
        ),
        _unless_harmless,
        begins=True,
    ),
    Rule(
        "bearer",
        ("bearer", "basic", "negotiate", "ntlm", "ssws", "auth plain", "auth login"),
        re.compile(
            r"(\b(?:bearer|basic|negotiate|ntlm|ssws|auth plain|auth login)\s{1,3})(?=[\w.~+/-]{0,4000}(?:\d|[A-Z]|=))"
            r"([\w.~+/-]{8,4000}={0,2})(?![=\w])",
            re.IGNORECASE,
        ),
        lambda m: (
            m[1] + "[secret]"
            if any(c.isdigit() for c in m[2]) or "=" in m[2] or not (m[2].islower() or m[2].istitle())
            else None
        ),
        begins=True,
    ),
    Rule(
        "secret in prose",
        ("mnemonic", "phrase"),
        re.compile(
            r"((?:mnemonic|(?:seed|recovery|backup"
            r"|secret) phrase)\W{1,6}(?:is\W{1,3})?)(?:[a-z]{3,8}[ ,]{1,2}){11,23}[a-z]{3,8}", re.IGNORECASE),
        keep_lead("[secret]"),
    ),
)  # fmt: skip

PLACES = (
    Rule(
        "SQL",
        ("identified", "password"),
        re.compile(
            r"(\bidentified\s{1,3}(?:with\s{1,3}\S{1,60}\s{1,3})?(?:by|as)\s{1,3}(?:password\s{1,3}|values\s{1,3}"
            r"|random\s{1,3}password)?"
            r"|(?<![\w\"'-])password(?:\s{1,3}|\s{0,3}=\s{0,3}|\s?\(\s?)N?(?=[\"']))(\"[^\"\n]{1,400}\""
            r"|'[^'\n]{1,400}'|[^\s;'\"()]{3,200})",
            re.IGNORECASE,
        ),
        lambda m: None if HARMLESS_VALUE.fullmatch(m[2].strip("'\"")) else m[1] + "'[secret]'",
        begins=True,
    ),
    Rule(
        "SQL",
        ("values",),
        re.compile(
            r"(\binto\s(?:[\w.`\"]{0,60}(?:user|account|member|credential|customer|login)[\w.`\"]{0,60}\s{1,3}"
            r"|[^()\n]{1,200}\([^()\n]{0,2000}(?:passw|secret|token|pwd|ssn|hash"
            r"|card)[^()\n]{0,2000}\)\s{0,3})values\s{0,3})"
            r"((?:\((?:[^()'\"\n]|'(?:[^'\\\n]|\\.)*+'|\"(?:[^\"\\\n]|\\.)*+\"){1,4000}\)[,\s]{0,3}){1,50})",
            re.IGNORECASE,
        ),
        _every_literal,
        whole=True,
    ),
    Rule(
        "SQL",
        ("parameters: (", "params: (", "parameters: [(", "params=(", "args: ("),
        re.compile(
            r"(\b(?:parameters|params|args)[:=] ?\[?)(\((?:[^()'\"\n]|'(?:[^'\\\n]|\\.)*+'|\"(?:[^\"\\\n]"
            r"|\\.)*+\"){1,4000}\))"),
        _every_literal,
        whole=True,
    ),
    Rule(
        "SQL",
        ("parameters: $", "binding parameter"),
        re.compile(
            r"(\bparameters: )(\$\d[^\n]{1,4000})|(binding parameter [^\n]{0,80} - )\[[^\n]{1,400}\]", re.IGNORECASE),
        lambda m: m[3] + "[secret]" if m[3] else _every_literal(m),
    ),
    Rule(
        "SQL",
        ("row contains (",),
        re.compile(r"(row contains \()[^\n]{1,8000}(?=\))"),
        keep_lead("[row]"),
    ),
    Rule(
        "credentials of a call",
        ("construct(", "bind", "login(", "auth", "basic", "password(", "connect(", "pgp_sym", "credential"),
        re.compile(
            r"\b(?:__construct|pgp_sym_\w{1,20}|auth\s?=\s?|credentials\s?=\s?|simple_bind\w{0,4}|login"
            r"|authenticate|\w{0,8}sql\w{0,8}connect|PlainAuth|\w{0,8}basic_?auth|http_?basic\w{0,8}|\w{0,24}credentials?"
            r"|check_password\w{0,8}|verify_password|set_password|create_user)\((?:[^()'\"\n]|'(?:[^'\\\n]|\\.)*+'"
            r"|\"(?:[^\"\\\n]|\\.)*+\"){1,2000}\)",
            re.IGNORECASE,
        ),
        _keep_first_literal,
        shape=re.compile(r"\([^()'\"\n]*['\"]"),
    ),
    Rule(
        "secret option",
        ("--", "-p", "-u", "-var", "-store", "-key"),
        re.compile(
            r"(-(?<![\w-]-)-?[\w-]{0,24}(?:pass(?:word|wd|phrase)?|pwd|secret|token|api-?key|access-?key"
            r"|credential)[\w-]{0,16}\s{1,3})"
            r"(?!-)([^\s\"']{3,}|\"[^\"\n]*\"|'[^'\n]*')",
            re.IGNORECASE,
        ),
        lambda m: (
            None if NOT_THE_SECRET.search(m[1].rstrip()) or HARMLESS_VALUE.fullmatch(m[2]) else m[1] + "[secret]"
        ),
    ),
    Rule(
        "secret option",
        ("-u", "--user", "--proxy-user"),
        re.compile(
            r"((?<!\S)(?:-u|-U|--user|--proxy-user)[ =]?[\"']?[^\s:\"'=/-][^\s:\"'=/]{0,100}:)(?!//)[^\s\"']{2,200}"),
        keep_lead("[secret]"),
    ),
    Rule(
        "secret option",
        ("sshpass", "docker", "podman", "helm", "buildah", "skopeo", "az", "oc", "sqlcmd", "osql", "isql",
         "bcp", "mongo", "cqlsh", "7z", "zip", "unzip", "snowsql", "smbclient", "twine", "mosquitto_", "-pw",
         "rclone", "ssh-keygen", "lftp", "net use", "chpasswd", "--from-literal=", "vault", "http", "mysql",
         "mariadb", "redis-cli", "ldap", "openssl", "htpasswd", "rabbitmqctl"),
        re.compile(
            r"(\b(?:sshpass|(?:docker|podman|helm|buildah|skopeo|az|oc)\b[^\n|;]{0,80}?\blogin|sqlcmd|osql|isql"
            r"|bcp|mongo\w{0,8}|cqlsh|az|7z[a-z]?|zip|unzip"
            r"|snowsql|smbclient|twine|mosquitto_\w{3})\b[^\n|;]{0,200}?\s-(?-i:[pP])\s{0,2}|(?<!\S)-pw\s"
            r"|\brclone obscure\s|\bssh-keygen\b[^\n|;]{0,100}?\s-N\s|\blftp\b[^\n|;]{0,60}?\s-u\s\w{1,40},"
            r"|\bnet user\s\S{1,60}\s|\bchpasswd\b[^\n]{0,40}?\w{1,40}:|--from-literal=[\w.-]{1,60}="
            r"|\bvault\s(?:kv\s)?(?:write|put)\s\S{1,100}\s\w{1,60}=|\bhttps?\s-a\s\w{1,40}:|\b(?:mysql"
            r"|mariadb)\w{0,10}\b[^\n|;]{0,200}?\s-p(?=\S)|\bredis-cli\b[^\n|;]{0,200}?\s-a\s{1,3}"
            r"|\bldap\w{2,10}\b[^\n|;]{0,200}?\s-w\s{1,3}|\bopenssl\b[^\n|;]{0,200}?(?:\s-[kK]\s{1,3}"
            r"|-pass\w{0,4}\spass:)|\bnet use\b[^\n|;]{0,120}?/user:\S{1,60}\s{1,3}"
            r"|\bhtpasswd\b[^\n|;]{0,80}?\s-\w{0,4}b\w{0,4}\s\S{1,80}\s\S{1,80}\s|\brabbitmqctl\s\w{3,20}_(?:user"
            r"|password)\s\S{1,60}\s)"
            r"(\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'|[^\s\"'-][^\s\"']{2,200})",
            re.IGNORECASE,
        ),
        keep_lead("[secret]"),
        begins=True,
    ),
    Rule(
        "secret option",
        ("auth",),
        re.compile(r"(\bAUTH[\"']?,?\s{1,2}(?:[\"']?default[\"']?,?\s{1,2})?[\"']?)(?=[^\s\"]{0,200}\d)(?=[^\s\"]{0,200}[A-Za-z])[^\s\"]{6,200}"),
        keep_lead("[secret]"),
        begins=True,
    ),
    Rule(
        "secret in prose",
        ("pwd", "pass", "requirepass", "community", "secret", "token", "api", "access", "private", "encryption", "signing",
         "master", "credential"),
        re.compile(
            r"((?<![A-Za-z])(?:password|passwd|pass ?phrase:?|passcode|pwd|pass|requirepass|community"
            r"|secret|token|(?:api|access"
            r"|private|encryption|signing|master|secret)[ _-]?key"
            r"|credentials?(?: key)?)(?:(?:\s{1,2}(?:is|was|of|field|provided:?|supplied:?|given:?|entered:?"
            r"|received:?|value|=>"
            r"|->|=|used|using|to:?|from|set|changed|generated|for(?:\s(?:user\s)?\S{1,60})?)){0,3}\s{1,9}[\"'`]?"
            r"| ?[|;\t]{1,2} ?))([^\s\"'`,;|)\]}]{6,})",
            re.IGNORECASE,
        ),
        _prose_value,
        begins=True,
    ),
    Rule(
        "secret in prose",
        ("credential", "auth", "login"),
        re.compile(
            r"(\b(?:credentials?|auth|login):?\s{1,3}(?:for\s)?[\w.@+-]{2,64}(?::| ?/ ?))(?![/\\])"
            r"([^\s/\"'`,;)\]}]{6,200})(?![/\w])",
            re.IGNORECASE,
        ),
        lambda m: m[1] + "[secret]" if _DIGIT.search(m[2]) or NO_WORD.search(m[2]) else None,
        begins=True,
    ),
    Rule(
        "secret in prose",
        ("[secret]",),
        # `expected … got …`, `"…" -> "…"`: what stands beside one that was cut.
        re.compile(
            r"(\[secret\][\"']?,?\s{1,2}(?:->|=>|to|vs\.?|(?:but )?(?:got|was|found|received)|instead of)\s{1,2})"
            r"(\"[^\"\n]{3,400}\"|'[^'\n]{3,400}'|(?=[^\s\"']{0,200}\d)(?=[^\s\"']{0,200}[A-Za-z])[^\s\"'\[]{8,400})"
        ),
        keep_lead("[secret]"),
    ),
    Rule(
        "secret in prose",
        ("334 ", " login ", "password is generated for"),
        # Signing in at mail servers, by base64 or plainly; the first password of a database.
        re.compile(r"(334 (?:VXNlcm5hbWU6|UGFzc3dvcmQ6)\s{1,3}|temporary password is generated for \S{1,80}: "
            r"|\b[A-Za-z]{0,2}\d{1,5} LOGIN \S{1,100} )\S{3,200}"),
        keep_lead("[secret]"),
    ),
    Rule(
        "secret option",
        ("-stdin", "sudo", "with-token"),
        # What is piped to where a secret is read.
        re.compile(
            r"(\becho\s(?:-\w\s)?)(?:\"[^\"\n]{1,400}\"|'[^'\n]{1,400}'|[^\s\"'|]{3,400})"
            r"(?=\s{0,3}\|[^|\n]{0,200}(?:(?:password|passphrase|token|secret)-stdin|sudo\s[^|\n]{0,40}-\w{0,3}S|--with-token))"
        ),
        keep_lead("[secret]"),
    ),
    Rule(
        "one-time code",
        ("recovery", "backup", "emergency", "scratch"),
        re.compile(
            r"((?:recovery|backup|emergency|scratch)[ _-]?codes?[\"']?[\s:=\[\"']{1,6})"
            r"(?:(?=[a-z-]{0,12}\d)[a-z0-9-]{6,24}[\"',;\s]{0,4}){1,20}",
            re.IGNORECASE,
        ),
        keep_lead("[secret] "),
        begins=True,
    ),
    Rule(
        "one-time code",
        ("otp", "pin", "2fa", "one-time", "verification", "security", "login", "auth", "confirmation",
         "access", "sms", "backup", "recovery", "passcode"),
        re.compile(
            r"(\b(?:OTP|PIN|2FA(?: code)?|(?:one-time|verification|security|login|auth(?:entication)?|confirmation"
            r"|access|sms|backup|recovery) (?:codes?|password|pin)|passcode)"
            r"\s{0,2}(?:is|was|code|:|=|#){0,2}\s{0,2}[\"']?)(\d{4,8}|\d{3,5}[ -]\d{3,5})(?!\w|\.\d)",
            re.IGNORECASE,
        ),
        keep_lead("[secret]"),
        begins=True,
    ),
    Rule(
        "one-time code",
        (" is your ",),
        re.compile(r"\b(?:[A-Z]-)?\d{4,8}(?= is your )", re.IGNORECASE),
        always("[secret]"),
    ),
    Rule(
        "url parameter",
        ("?", "&"),
        re.compile(
            r"([?&;](?:code|state|key|sig|signature|token|auth|apikey|x-[\w-]{0,30}|hash|hmac|ticket|assertion|se"
            r"|sp|sv|magic|otp|pwd"
            r"|jwt|sid|session|nonce|invite|access|credential|samlrequest|samlresponse"
            r"|relaystate)=)([^\s&\"'<>#;]{6,})",
            re.IGNORECASE,
        ),
        keep_lead("[secret]"),
    ),
    Rule("url parameter", ("/",), re.compile(r"/([A-Za-z_-]{3,24}/)([\w.~=%-]{16,400})"), _path_segment),
)  # fmt: skip
