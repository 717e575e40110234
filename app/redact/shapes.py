"""Secrets that show by their own shape, wherever they stand.

Owns keys in blocks, credentials in addresses, tokens of known issuers, hashes of passwords, and what is too random for a name.
Commit ids and digests are hexadecimal and stay.
"""

import re

from app.redact.looks import opaque
from app.redact.rules import Rule, always, keep_lead

_HEX_PAIR = re.compile(r"[0-9a-fA-F:]{32,}")


_before_at = keep_lead("[secret]@")
_USERINFO = re.compile(r"://[^\s\"'<>?]{1,510}@")
_B64_LINE = r"[A-Za-z0-9+/]{40,}={0,2}"

_TOKENS = (
    # repositories, packages and builds
    r"gh[pousr]_[\w-]{16,}(?:\.[\w-]+)*", r"github_pat_\w{20,}",  # GitHub
    r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|sa|agent|oas|imt|ffct)[-_][\w-]{16,}",  # GitLab
    r"ATATT3[\w=-]{16,}", r"ATCTT3[\w=-]{16,}", r"ATBB\w{16,}",  # Atlassian, Bitbucket
    r"npm_\w{20,}", r"pypi-[\w-]{16,}", r"rubygems_[0-9a-f]{20,}", r"oy2[a-z0-9]{43}", r"dckr_[po]at_[\w-]{16,}",
    r"CCIPAT_\w{16,}", r"bkua_\w{16,}", r"vercel_\w{16,}", r"sq[uap]_[0-9a-f]{40}",
    r"sgp_\w{20,}", r"pul-[0-9a-f]{30,}", r"rdme_\w{20,}",
    # clouds and databases
    r"AIza[\w-]{30,}", r"ya29\.[\w.-]{10,}", r"1//0[\w-]{20,}", r"4/0[A-Za-z][\w-]{20,}", r"GOCSPX-[\w-]{10,}",  # Google
    r"GOOG1?[A-Z0-9]{20,}", r"AAAA[\w-]{7}:[\w-]{60,}",
    r"AKIA[A-Z0-9]{12,}", r"A(?:SIA|GPA|IDA|ROA|NPA|NVA|BIA|CCA)[A-Z0-9]{16,}",  # AWS
    r"LTAI[A-Za-z0-9]{12,}", r"SCW[A-Z0-9]{17}", r"do[opr]_v1_\w{20,}", r"v1\.0-[0-9a-f]{20,}-[0-9a-f]{40,}",
    r"HRKU-[\w-]{20,}", r"fo1_[\w-]{20,}", r"napi_\w{20,}", r"sbp_[0-9a-f]{30,}", r"pscale_\w{2,10}_[\w-]{16,}",
    r"(?:dapi|dose|dkea|pub)[0-9a-f]{32}(?:-\d)?", r"hv[sbr]\.[\w-]{16,}", r"AGE-SECRET-KEY-1\w{20,}",
    r"[a-z][\w-]{13,20}\.atlasv1\.[\w-]{20,}", r"dp\.(?:pt|st|ct|sa|scim|audit)\.\w{16,}",
    # chat, mail and telephone
    r"xox[a-z][-.][\w.-]{8,}", r"x(?:app|wfp|oxe)-[\w-]{10,}",  # Slack
    r"\d{8,10}:AA[\w-]{30,}", r"SG\.[\w-]{10,}\.[\w-]{10,}", r"key-[0-9a-f]{32}", r"AC[0-9a-f]{32}", r"SK[0-9a-f]{32}",
    r"[0-9a-f]{32}-(?:us\d{1,2}|[0-9a-f]{8}-[0-9a-f]{8})(?![\w-])",
    r"xkeysib-[0-9a-f]{40,}", r"mlsn\.[0-9a-f]{40,}",
    # payment and shops
    r"[spr]k_(?:org_)?(?:live|test|prod)_\w{8,}", r"whsec_[\w+/=-]{10,}",
    r"(?:rzp|pay|shippo|duffel|flwsec|live|test)_(?:live|test|prod|[0-9a-f]{32})[\w-]{0,120}",
    r"shp(?:at|ca|pa|ss|tka)_\w{16,}", r"sq0\w{3}-[\w-]{16,}", r"EAA[A-Za-z0-9]{20,}",
    r"access_token\$\w{4,20}\$\w{8,}\$\w{16,}", r"(?:access|public|link)-(?:production|sandbox|development)-[\w-]{30,}",
    # monitoring
    r"NRAK-\w{16,}", r"NR[A-Z]{2}-\w{16,}", r"dt0[a-z]\d\d\.\w{20,}\.\w{20,}", r"glc_[\w+/=]{16,}", r"glsa_\w{16,}",
    r"sntry[su]_[\w+/=-]{16,}", r"hc[abx]i[kc]_\w{20,}",
    # models
    r"[sprc]k-[\w-]{16,}", r"sk_[0-9a-f]{32,}", r"csk-\w{20,}", r"hf_\w{20,}", r"r8_\w{20,}", r"gsk_\w{20,}", r"xai-\w{20,}",
    r"pplx-\w{20,}", r"lsv2_\w{16,}", r"e2b_[0-9a-f]{30,}",
    # documents and work
    r"lin_(?:api|oauth)_\w{16,}", r"ntn_\w{16,}", r"figd_[\w-]{20,}", r"tfp_\w{20,}", r"CFPAT-[\w-]{16,}", r"PMAK-[\w-]{20,}",
    r"pat[A-Za-z0-9]{14}\.[0-9a-f]{32,}", r"st\.[0-9a-f-]{20,}\.[0-9a-f]{20,}(?:\.[0-9a-f]{20,})?",
    r"\d/\d{12,}(?:/\d{12,})?:[0-9a-f]{20,}", r"A{18,}[A-Za-z0-9%]{30,}",
    r"(?:sdk|mob|api|rel|xaat|xapt|pat-[a-z]{2,3}\d|waka_|key|sk|token|tok|secret)[-_]?"
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
)  # fmt: skip
"""Tokens as their issuers make them, so that they are known by their beginning. No other is shorter than twelve characters."""

BLOCKS = (
    Rule(
        "private key",
        ("private", "-----begin", "-----end", "key-file", "$ansible_vault"),
        # A block cut off at either end is still a key: to the END line, or as far as base64 goes.
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}(?:PRIVATE KEY|PGP MESSAGE|CERTIFICATE REQUEST)[A-Z ]{0,20}-----"
            r"(?:(?:(?!-----(?:END|BEGIN) )[\s\S]){0,20000}?-----END [A-Z0-9 ]{0,40}-----"
            r"|(?:\s|\\[nr]|[A-Za-z0-9+/=:,]|-(?!----))*)"
            r"|(?<![A-Za-z0-9+/])(?:" + _B64_LINE + r"(?:\s|\\[nr])+)+-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----"
            r"|(?:Private-Lines: \d{1,4}(?:\s|\\[nr]){1,4}(?:[A-Za-z0-9+/=]{16,}(?:\s"
            r"|\\[nr]){0,4})+(?:Private-MAC: \w{1,128})?)"
            r"|\$ANSIBLE_VAULT;[\w.;]{1,60}(?:(?:\s|\\[nr])+[0-9a-f]{40,})+"
        ),
        always("[private-key]"),
        whole=True,
    ),
    Rule(
        "base64 block",
        (),
        re.compile(r"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{60,}={0,2}(?:\s{1,4}|\\[nr]){1,4}){2,}[A-Za-z0-9+/]*={0,2}"),
        always("[base64]"),
    ),
)  # fmt: skip

SHAPES = (
    Rule(
        "url credentials",
        ("@",),
        re.compile(
            r"\b([a-z][a-z0-9+.-]{1,30}+://)"
            r"(?:[^\s/@:\"'<>]{0,200}:(?!\d{1,5}/)[^\s\"'<>?]{1,300}"
            r"|[^\s/@\"'<>]{1,500})@(?=[\w.\[-]{1,200}(?:[:/?,;\s\"'\\)\]]|$))",
            re.IGNORECASE,
        ),
        _before_at,
        shape=_USERINFO,
    ),
    Rule(
        "url credentials",
        ("@",),
        re.compile(r"\b([a-z][a-z0-9+.-]{1,30}+://)([^\s/@\"'<>]{1,500})@", re.IGNORECASE),
        lambda m: None if m[2] == "[secret]" else _before_at(m),
        shape=_USERINFO,
    ),
    Rule(
        "url credentials",
        ("%3a%2f%2f", "%3a%252f"),
        re.compile(r"(%3A%(?:25)?2F%(?:25)?2F[\w.-]{0,100}%(?:25)?3A)[^\s&\"'<>]{1,300}?(?=%(?:25)?40)", re.IGNORECASE),
        keep_lead("[secret]"),
        begins=True,
    ),
    Rule(
        "dsn credentials",
        ("@tcp(", "@unix(", "@("),
        re.compile(r"(?<![\w.%-])([\w.%-]{1,60}:)[^\s:@/]{1,200}@(?=(?:tcp|unix)?\()"),
        _before_at,
    ),
    Rule(
        "dsn credentials",
        ("@",),
        re.compile(r"(?<![\w./:@%+-])([\w.%-]{1,60}:)[^\s:@/\"']{1,200}@(?=[\w.-]{1,200}:\d{2,5}(?![\w.]))"),
        _before_at,
        shape=re.compile(r"[^\s:@]@[\w.-]{1,200}:\d\d"),
    ),
    Rule(
        "dsn credentials",
        ("jdbc:oracle", "sqlplus", "impdp", "expdp", "rman"),
        re.compile(
            r"((?:jdbc:oracle:\w{2,6}:|\b(?:sqlplus|sqlldr|impdp|expdp|rman|exp"
            r"|imp)\s{1,3}(?:-\w\s)?)[\w$\"]{1,60}/)[^\s@]{1,200}@",
            re.IGNORECASE,
        ),
        _before_at,
    ),
    Rule(
        "dsn credentials",
        (":5432:", ":5433:", ":6432:", ":*:"),
        re.compile(r"(?<![\w.*-])([\w.*-]{1,100}:(?:5432|5433|6432|\*):[\w*-]{1,63}:[\w*.@-]{1,63}:)[^\s:]{3,200}"),
        keep_lead("[secret]"),
    ),
    Rule("jwt", ("eyj",), re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){1,4}"), always("[jwt]")),
    Rule(
        "webhook address",
        ("hooks.", "webhook", "/with/key/", "chat.googleapis", "api.telegram"),
        re.compile(
            r"(https?://(?:hooks\.slack\.com/(?:services|workflows|triggers|commands|actions)"
            r"|[\w.-]{0,60}discord(?:app)?\.com/api/webhooks"
            r"|[\w.-]{0,100}webhook\.office\.com/\w{1,40}|outlook\.office\.com/webhook|hooks\.zapier\.com/hooks"
            r"|chat\.googleapis\.com/v1/spaces"
            r"|api\.telegram\.org(?=/bot)|maker\.ifttt\.com/trigger)/)\S+",
            re.IGNORECASE,
        ),
        keep_lead("[secret]"),
    ),
    Rule(
        "token",
        (),
        # The look ahead passes over short words.
        re.compile(r"(?<![A-Za-z0-9])(?=[\w.$:/+=-]{12})(?:" + "|".join(_TOKENS) + ")"),
        always("[token]"),
    ),
    Rule(
        "token",
        (".atlasv1.", "xprv", "0x"),
        re.compile(
            r"(?<![\w-])(?:[A-Za-z0-9]{8,24}\.atlasv1\.[\w-]{20,}|[xyz]prv[1-9A-HJ-NP-Za-km-z]{90,}"
            r"|(?<=key )0x[0-9a-fA-F]{64})"
        ),
        always("[token]"),
        shape=re.compile(r"\.atlasv1\.|[xyz]prv[1-9]|key 0x"),
    ),
    Rule(
        "password hash",
        ("$", "{ssha", "{sha", "{crypt", "{md5", "hash", ":::"),
        re.compile(
            r"(?<![\w$])(?:(?:pbkdf2[\w:-]{0,20}|scrypt|bcrypt\w{0,8}|argon2\w{0,2}|sha\d{1,3}"
            r"|md5)[:$][\w:$=,./+-]{20,400}={0,2}"
            r"|\$(?:2[abxy]?|apr1|[156y]|7|argon2\w{0,2}|scrypt|pbkdf2[\w-]{0,10}|P|H|S"
            r"|md5)\$[\w:$=,./+-]{16,400}={0,2}"
            r"|\{(?:SSHA|SHA|CRYPT|MD5|SMD5)\d{0,3}\}[\w$./+=]{12,200}|[0-9a-f]{32}:[0-9a-f]{32}(?=:::)"
            r"|(?:(?<=ntlm hash )|(?<=nt hash )|(?<=password hash ))[0-9a-f]{32,128})",
            re.IGNORECASE,
        ),
        lambda m: "[hash]" if "$" in m[0] or m[0][0] == "{" or _HEX_PAIR.fullmatch(m[0]) else None,
    ),
)  # fmt: skip

OPAQUE = (Rule("opaque value", (), re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9+/_~-]{20,}={0,2}"), opaque),)
