"""The words that failure messages are made of.

Owns one question: which parts of a message its author wrote, and which are values of one occurrence? A single message
cannot tell, and values come without quotes and digits too (`leaf kestrel has no value`). So a word counts as the author's
only when failure messages in general use it; everything else may be a value. That is the same for every occurrence and in
every window, which a comparison with the other messages of the window is not. Leaves masking for templates, where many
messages are at hand, to `templates.py`.
"""

import re

_VOCABULARY = frozenset(
    """
    a abandoned able aborted about above absent absolute abstract accept acceptable accepted accepts access accessed
    account accounts accumulated acknowledged acquire acquired acquirer across action actions active add added adding
    additional address addresses adjacent adult affected after again against age ahead aisle alarm alarms align aligned
    alive all allergy allocate allocated allocation allow allowed allowlisted already also always ambiguous amount
    amounts an ancestor and anonymous another answer any anything api app appears application applied apply appointment
    appointments approval approvals approve approved approver archive archived archives are argument arguments around as
    ask asset assets assign assigned assignment associated at attach attached attachment attachments attempt attempted
    attempts attribute attributes audio auth authentication authorization authorized available away back backend
    backorder backordered backpressure bad balance balanced balances bank banned barrier base basic basket batch battery
    be because become been before begin beginning behind below beneficiary between beyond bid big bin binary binding
    bitrate bits blacklisted blank block blocked blocklisted blocks boarding body book booked booking bookings both
    bound boundary bounds bracket brain branch branches break broken budget buffer bug build building busy but by byte
    bytes cache cached calculated calibrated calibration call callable callback called caller calling canary cancel
    canceled canceling cancelled candidate cannot cap capacity caption captions card cardholder carrier carriers cart
    cast category cause certificate certificates chain change changed changes channel channels character characters
    charge chargeback charged chars check checking checkpoint checkpoints checks checksum child children choice choices
    chunk circuit circular city claim claimant clash class classes clause clean clear cleared client clients clinic
    clock clone close closed closes closing code codec codes collateral collection collections colon color column
    columns combination combine combining comma command comment commit committed common compaction compare comparison
    compatibility compatible compile complete completed component components composite compression compute concrete
    concurrent concurrently condition config configuration configured confirm confirmed conflict conflicting conflicts
    congested connect connected connecting connection connections connector consistent constant constraint constraints
    construct constructed consume consumed consumer contain container containing contains content contents context
    contract contracts control conversion convert converted copied copy copying correct corrupt corrupted corruption
    cost could count counter country coupon courier course courses coverage crash create created creating credential
    credentials credit currencies currency current currently cursor curve customer customers cycle cycles data database
    date dates day days dead deadline deadlock deadlocked debit declaration declared declined decode decoded decoding
    decrement decrypt default defer deferred define defined definition degraded delay delete deleted delimiter delivered
    delivery denied dependencies dependency depends depleted deposit depot deprecated depth dequeue derive derived
    descendant description descriptor deserialize despite destination destroyed detached detect detected determinant
    determine device diagnosis did differ different differs digest digit digits dimension dimensions direction directly
    directories directory disable disabled disallowed discarded disconnected discontinued discount dish disk dispatch
    dispute disputed distinct distribution divide division do dock doctor document documents does domain done dormant
    dose double down downgrade draft drained drift driver dropped due duplicate duplicated duplicates duration during
    each early edge edges either election element elements eligible else email embedded emit emptied empty enable
    enabled encode encoded encoding encountered encrypted end ended ending endpoint engine enough enqueue ensure enter
    entered entity entries entry environment epoch equal equals error errors escape evaluate even event events evicted
    exactly exam example exceed exceeded exceeds except exception exceptions exchange exchanged exchanges exclude
    excluded exclusive execute executed execution executor exhausted exist existing exists exit exited expect expected
    expecting expects expiration expired expires expiry explicitly exponent export exposure expression extend extension
    external extra extract factor fail failed failing fails failure false fatal fault feature fee fees fenced fencing
    fetch fetching few field fields file files fill filled filter final find finding finish finished finite firmware
    first fit fixed flag flapping flight flow flush follower following footer for forbidden foreign form format
    formatted found fraction fragile fragment frame frames fraud free from frozen full fully function functions fund
    funds future gap gaps gate gateway generate generated generating generation generator generic get gift given gone
    goroutines got grade grades granted graph graphs greater gross group groups guard guest half handle handled handler
    handlers handles hang happen hardware has hash have header headers healthy heap heartbeat heartbeats heavier heavy
    hedge held help here hidden high higher hit hold holding holdings holds hook host hour hours http hub hubs humidity
    hung id identical identifier identify identity idle if ignore ignored illegal image images immediate immutable
    implementation implicit import imported importing in inactive include included includes incompatible incomplete
    inconsistent incorrect incorrectly index indexes indicate indices infer infinite information ingredient ingredients
    inherit initialise initialised initialization initialize initialized inner input inputs insert inserted inserting
    inside installed instances instantiate instead insufficient insurance integer integrity interest interface internal
    interrupted interval into invalid invariant inventory invocation invoice invoices invoke invoked io is issue issuer
    it item items iterable iterate iteration iterator its itself job jobs join key keys keywords kind known label lacks
    lag lane large larger last latch late later latest layer leader leading leaf leak leaked lease leases leaves ledger
    ledgers left legacy length lengths less lesson level levels library license light like likely limit limited limits
    line lines link liquidity list listed listen listener listing lists literal live load loaded loader loading loan
    local locale locate locations lock locked locks log login long longer longest lookup loop lost low lower lowercase
    luggage machine mail main maintenance malformed manager mandate mandatory many map mapped mapping mappings margin
    mark marked marker mask match matched matches matching matrix max maximum may mean means measure member members
    memory mention menu merchant merchants merge message messages metadata meter meters method methods migration
    migrations min minimum minor minute minutes mirror mirrors mismatch mismatched missed missing misuse mix mixed mod
    mode model models modified modify module modules money monotonic month more most move moved much multiple must
    mutable mutex name named names namespace nan native needed needs negative neither nested nesting net network never
    new newer newline next night nights no node nodes non nonzero nor not note nothing notification now number numbers
    numeric object objects obsolete obtain occurred odd of off offer offline offset offsets old older on once one online
    only open opened opening operand operands operation operations operator option optional options or order ordered
    ordering orders origin original other out outdated outer output outside outstanding over overdraft overdrawn overdue
    overflow overflows overlap overlapping overlaps overloaded overridden override oversized overwrite owned owner owns
    package packages packed packet packing padding page pages paid pair pairs pallet panic paragraph parallel parameter
    parameters parcel parcels parent parse parsed parsing part partial partition partitions parts party pass passed
    passenger passport password past path paths patient pattern pay payee payer payload payment payments payout pending
    per percent percentage perform performed period permission permissions permitted phase phone picking picture pipe
    place placed plain plan plans playlist plugin plugins point pointer pointers points policy pool populated port
    portfolio portion position positions positive possible possibly postcode power precision premature premium preorder
    prescription present pressure previous price priced prices primary prime print printer priority private problem
    process processed processing processor produce producer product products profile program progress project promise
    promises proper properties property protected protocol provide provided provider public published publisher purchase
    purchases purged put quantities quantity queries query queue queued queues quorum quota quote quoted quotes raise
    raised range ranges rate rates rather ratio reach reachable reached read readable reader reading readings reads
    ready real reason rebalance rebalancing receipt receipts receive received receiver recipe recipient recognized
    reconcile reconciled reconciliation record records recover recoverable recovered recursion recursive redirect
    redirects reduce reference referenced references refund refunded refunding refunds refused refusing region register
    registered registers registration registry regular reject rejected rejects relation relative release released
    relocation remain remained remaining remote remove removed rename render repeat replace replaced replacement replica
    replicas report reported represent representation request requested requests require required requirement requires
    reservation reservations reserve reserved reset resolution resolve resolved resource resources response responses
    restart restarting restock restocked restore restored restricted result resulted results resumed retries retrieve
    retry return returned returns reuse reused reverse reversed revision revisions revoked role rollback rollout room
    rooms root rotate rotated round route routes row rows rule rules run running runtime safe salt same saturated save
    saved scalar scale scan schedule scheduled schema schemas scheme school scope script search seasonal seat seats
    second seconds secret section secure see seed seeds seek seems seen segment select selection self sell semaphore
    send sender sensor sensors sent separate separator sequence serial serializable serialize serialized serializer
    server service services session sessions set sets setting settings settle settled settlement setup shape shard
    shards share shared shelf shift ship shipment shipped shipping short shorter should shut shutdown shutting sibling
    siblings side sign signal signaling signature signed signer signing silent similar simple single singular size sized
    sizes skew skip skipped sku sleep slice slot slots slow small smaller snapshot snapshots socket sold some sort
    sorted source space spans spare special specific specified specifier specify spent split spread stack stage stale
    stalled standard start started starting starts state statement statements states static status stay step steps still
    stock stocks stop stopped stopping stops storage store stored stores strategy stream streams street strictly strings
    stuck student style subject submit submitted subprocess subscriber subscription substring subtitle subtotal
    succeeded success successful such suffix suitable sum summary supplier suppliers supply support supported supports
    supposed suspended suspicious swapped switch symbol sync syntax system table tables take taken takes target tariff
    tariffs task tasks tax teacher temperature template templates temporary tenant term terminal terminals terminated
    tests text than that the their them then there they third this thread threads three threshold throttled throttling
    through thumbnail ticket tickets time timed timeout timer times timestamp timezone title to together token tokens
    tombstone too tool top topic total totals track tracks trade trades trailer trailing transaction transactions
    transfer transfers transient transition transport tree trees tried trigger truck truncate truncated trust trusted
    try trying two type types unable unaligned unauthorized unavailable unbalanced unbound unchanged uncompressed
    undefined under underflow underlying undo unexpected unfinished unhandled unhashable unhealthy unimplemented
    uninitialized union unique unit units unknown unless unlocked unmatched unpack unpacked unpaid unparsable unquoted
    unreachable unreadable unrecognised unrecognized unregistered unresolved unresponsive unsafe unset unsigned unsorted
    unsupported unterminated until untrusted unused unusual unverified unwritable up update updated upgrade upload upper
    uppercase upstream url usable usage use used user users uses using valid validate validated validation validator
    value values variable vat vector vehicle vendor vendors verification verified verify version versions vertex via
    video view violated violates violation visa visited voltage volume voucher wait waited waiter waiting wallet want
    warehouse was watch watermark way weighs weight weights were when where whether which while whole width window with
    withdraw withdrawal within without word work worker workers workflow would writable write writer writes writing
    written wrong year years yet yield zero zone
    """.split()  # noqa: SIM905 - as a list of literals it would be a thousand lines
)

_QUOTED = re.compile(
    r"\"[^\"\n]*\"|`[^`'\n]*[`']|(?<![A-Za-z0-9])'[^'\n]*'|<[^<>\n]*>|\{[^{}\n]*\}|\[[^\[\]\n]*\]|“[^”\n]*”"
)
_WORD = re.compile(r"(?<![\w@#/\\.$%:=-])[A-Za-z]+(?:'[a-z]+|(?:-[a-z]+)+)?(?![\w@/\\$=]|[.:]\w|-\w)")
_ERRNO = """
    EACCES EADDRINUSE EADDRNOTAVAIL EAGAIN EAI_AGAIN EALREADY EBADF EBUSY ECANCELED ECHILD ECONNABORTED ECONNREFUSED
    ECONNRESET EDEADLK EDESTADDRREQ EDOM EDQUOT EEXIST EFAULT EFBIG EHOSTDOWN EHOSTUNREACH EILSEQ EINPROGRESS EINTR EINVAL
    EISCONN EISDIR ELOOP EMFILE EMSGSIZE ENAMETOOLONG ENETDOWN ENETRESET ENETUNREACH ENFILE ENOBUFS ENODATA ENODEV ENOENT
    ENOEXEC ENOLCK ENOMEM ENOSPC ENOSYS ENOTCONN ENOTDIR ENOTEMPTY ENOTFOUND ENOTSOCK ENOTSUP ENXIO EOVERFLOW EPERM EPIPE
    EPROTO ERANGE EROFS ESHUTDOWN ESOCKETTIMEDOUT ESPIPE ESRCH ESTALE ETIMEDOUT ETXTBSY EXDEV
    """
_SYSTEM_ERRORS = frozenset(_ERRNO.split())
_CODE = re.compile(
    rf"\b(?:{'|'.join(_ERRNO.split())})\b"
    r"|\[Errno -?\d+\]|\bERR_[A-Z_0-9]+|\bORA-\d{5}\b|\bSQLSTATE\[\w+\]|\b[A-Z]+(?:_[A-Z]+)+\b"
)
_HINT = re.compile(r"[.;]? *Did you (?:mean|forget)\b.*|[.;]? *\(?consider renaming .*")  # newer interpreters add it
_IDENTIFIER = re.compile(
    r"has no attribute '(\w+)'"
    r"|\((?:reading|setting) '(\w+)'\)"
    r"|undefined (?:local variable or )?method [`'](\S+?)'"
    r"|uninitialized constant ([\w:]+)"
    r"|name '(\w+)' is not defined"
    r"|No module named '([\w.]+)'"
    r"|cannot import name '(\w+)'"
    r"|unexpected keyword argument '(\w+)'"
    r"|\b([A-Za-z_$][\w$.]*) is not (?:a function|defined|a constructor)"
    r"|[Cc]all to (?:an )?(?:undefined (?:method|function)|a member function) ([\w\\:]+)\("
    r"|Undefined (?:variable|property:?|constant) ([$\w\\:]+)"
    r"|Cannot (?:invoke|read field|assign field|load from) \"([^\"]+)\""
)


def is_common(word: str) -> bool:
    """Whether messages in general use the word, given in lower case, in the singular or the plural."""
    return word in _VOCABULARY or (word.endswith("s") and word[:-1] in _VOCABULARY)


def is_system_error(word: str) -> bool:
    """Whether the word is the name of an error of the operating system, such as `ECONNRESET`."""
    return word in _SYSTEM_ERRORS


def fault_words(message: str, *, codes_only: bool = False) -> str:
    """What stays the same in `message` at every occurrence: common words, error codes, and names out of the code.

    A name counts only where the language itself writes it (`has no attribute 'cursor'`); what an author quotes is a value.
    `codes_only` leaves out the words, for messages that a library wrote. Of several lines the first decides:
    what follows it is detail.
    """
    message = message[:2_000]
    kept = [found[0] for found in _CODE.finditer(message)]
    if codes_only:
        return " ".join(dict.fromkeys(kept))
    line = message.split("\n", 1)[0][:600]
    line = _HINT.sub("", line)
    for found in _IDENTIFIER.finditer(line):
        kept += [name for name in found.groups() if name]
    if line[:1] in "'\"" and line[-1:] == line[:1] and " " in line:
        line = line[1:-1]  # a sentence that was quoted as a whole, as Python does for a KeyError
    words = [word for found in _WORD.finditer(_QUOTED.sub(" ", line)) for word in _known(found[0])]
    return " ".join(dict.fromkeys([*words, *kept]))


_NUMBER = {"are": "is", "were": "was", "have": "has"}


def _known(word: str) -> list[str]:
    """The word as it counts: `item` and `items` are one, since a value decides between them."""
    low = word.lower()
    if low not in _VOCABULARY:
        return [part for part in low.split("-") if part in _VOCABULARY and len(part) > 1] if "-" in low else []
    if low[-1] == "s" and low[:-1] in _VOCABULARY and len(low) > 3:
        return [low[:-1]]
    return [_NUMBER.get(low, low)]
