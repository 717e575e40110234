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
    a abandoned aborted about above absent accept acceptable accepted access account accounts accumulated acknowledged
    acquire acquired action active add added address addresses after again against age ahead all allocate allocated
    allocation allow allowed already also always ambiguous amount amounts an and another answer any api app applied apply
    archive archived archives are argument arguments as asset assets assign assigned assignment associated at attach
    attached attempt attempted attempts attribute attributes auth authentication authorization authorized available away
    back bad balance balanced balances bank base basket batch be because become been before begin behind below between
    beyond binding blank block blocked body book booked booking both bound boundary bounds bracket branch broken budget
    buffer build busy but by cache cached call callback called caller cancel canceled cancelled candidate cannot capacity
    card cart cast category certificate chain change changed channel channels character characters charge charged chars
    check checks checksum child children choice circuit circular claim class clean client clients clock close closed
    closing code codec codes collection collections column columns command commit committed compare comparison compatible
    complete completed component composite compute concurrent concurrently condition config configuration configured
    confirm confirmed conflict conflicting conflicts connect connected connection connections connector constraint
    constraints consumed consumer container contains content contents context contract conversion convert converted copy
    corrupt corrupted corruption cost could count counter country coupon create created creating credential credentials
    credit currencies currency current cursor customer customers cycle cycles data database date dates day days deadline
    deadlock deadlocked debit declared declined decode decoding decrement decrypt default deferred defined delay delete
    deleted delivered delivery denied depends deposit depth dequeue descriptor deserialize destination destroyed detached
    detected device did differ different differs digest digit digits dimension dimensions directory disabled discarded
    disconnected discount disk dispatch divide division do document documents does done down draft driver dropped due
    duplicate duplicated duplicates during duration each early edge element elements eligible else email empty enabled
    encode encoding encountered encrypted end ended ending endpoint engine enough enqueue ensure entity entries entry
    environment equal equals error errors escape evaluate event events evicted exactly exceed exceeded exceeds except
    exception exceptions exclusive execute executed execution executor exhausted exist existing exists exit exited expect
    expected expecting expects expiration expired expires expiry export expression extra factor fail failed failing fails
    failure false fatal feature fee fees fetch few field fields file files fill filled filter final find finish finished
    finite first flag flight flow flush for forbidden foreign form format formatted found fraction free from frozen full
    function functions fund funds future gateway generate generated get given gone goroutines granted greater group groups
    guard half handle handled handler handlers hang has hash have header headers heap held help hidden high higher hit
    hold holds hook host hours http id identical identifier identity idle if ignored illegal image immutable import
    imported in inactive include included incompatible incomplete inconsistent incorrect index indexes indices infinite
    initialise initialised initialization initialize initialized inner input insert inserted inside
    insufficient integer integrity interface internal interrupted interval into invalid inventory invariant invocation
    invoice invoices invoked io is issue it item items its iterable iterate iteration iterator job jobs join key keys kind
    label large larger last late later latest layer leaf leak lease leaves ledger ledgers left length less level levels
    library license limit limited limits line lines link list listen listener literal live load loaded loader loading
    local locale lock locked locks log login long longer lookup loop lost low lower machine mail main maintenance malformed
    manager mandatory many map mapped mapping mappings mask match matched matches matching max maximum may mean means
    measure member members memory merge message messages metadata method methods migration minimum minor minute minutes
    mirror mirrors mismatch mismatched missing mix mixed mode model modified modify module modules money month more most
    move moved much multiple must mutable mutex name named names namespace nan native needed needs negative nested
    network never new newer next no node nodes non nonzero nor not nothing notification now number
    numbers numeric object objects obsolete of off offer offline offset old older on once one online only open opened
    opening operand operands operation operations operator option optional options or order ordered orders origin other
    out outdated outer output outside outstanding over overdraft overdrawn overdue overflow overlap overlapping overlaps
    overridden owned owner owns package packet page pages paid pair pairs panic parallel parameter parameters parent parse
    parsed part partial partition parts party pass passed password past path pattern pay payload payment payments payout
    pending per percent percentage permission permissions permitted phone pipe place placed plan plans plugin plugins
    point pointer policy pool port position positive possible precision premature present previous price priced prices
    primary printer priority private problem process processed processing processor producer product products profile
    program project promise promises properties property protected protocol provided provider public published publisher
    purchase purged put quantities quantity queries query queue queued queues quota quote quotes raised range rate rates
    ratio reach reachable reached read reader readable reading ready reason receipt receipts receive received receiver
    recipient record records recover recoverable recovered recursion recursive redirect redirects reference referenced
    references refund refunded refunds refused region register registered registration registry reject rejected rejects
    relation release released remain remaining remote removed rename render replace replaced replica report request
    requested requests require required requires reservation reserve reserved reset resolve resolved resource resources
    response responses restart restarting restore restored restricted result results retries retry return returned returns
    reused reverse reversed revision revoked role rollback root rotated round route routes row rows rule rules run running
    runtime safe same save saved scale scan schedule scheduled schema scheme scope script search seat second seconds secret
    section secure segment select self sell semaphore send sender sent sequence serial serialize serializable serializer
    server service services session sessions set setting settings setup shape shard share shared shift ship shipment
    shipped short should shut shutdown shutting side sign signal signature signed similar single size sized sku skipped
    slice slot slots slow small smaller socket sold some sort sorted source space spans spare special specified spent stack
    stage stale standard start started starting starts state statement states static status step steps still stock stocks
    stop stopped storage store stored stores stream streams stuck style subject submit submitted subscriber subscription
    subtotal sum support supported supports suspended switch sync syntax system table tables take taken target task tasks
    tax template temporary tenant term terminated text than that the their them then there they this thread threads
    threshold through throttled ticket tickets time timed timeout timer times timestamp timezone title to together token
    tokens too top topic total totals trailing transaction transactions transfer transfers transient transition transport
    tree trees tried truncated trusted try two type types unable unauthorized unavailable unbalanced unbound undefined
    under underflow undo unexpected unfinished unhandled unhashable unhealthy unimplemented uninitialized union unique unit
    units unknown unless unlocked unmatched unpack unpaid unparsable unreachable unreadable unrecognised unrecognized
    unregistered unresolved unsafe unset unsigned unsorted unsupported until untrusted unused unusual unwritable up update
    updated upgrade upload upper upstream url usable usage use used user users uses using valid validate validated
    validation validator value values variable vector version versions view violated violates violation volume voucher
    wait waited waiting wallet warehouse was watch way weight were when where which while whole width window with withdraw
    withdrawal within without word work worker workers workflow would writable write writer writing written wrong year
    years yet yield zero zone
    """.split()  # noqa: SIM905 - as a list of literals it would be a thousand lines
)

_QUOTED = re.compile(
    r"\"[^\"\n]*\"|`[^`'\n]*[`']|(?<![A-Za-z0-9])'[^'\n]*'|<[^<>\n]*>|\{[^{}\n]*\}|\[[^\[\]\n]*\]|“[^”\n]*”"
)
_WORD = re.compile(r"(?<![\w@#/\\.$%:=-])[A-Za-z]+(?:'[a-z]+|(?:-[a-z]+)+)?(?![\w@/\\$=]|[.:]\w|-\w)")
_CODE = re.compile(
    r"\bE[A-Z]{3,}[A-Z0-9]*\b|\[Errno -?\d+\]|\bERR_[A-Z_0-9]+|\bORA-\d{5}\b|\bSQLSTATE\[\w+\]|\b[A-Z]+(?:_[A-Z]+)+\b"
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
    line = next((line for line in message.split("\n") if line.strip()), "")[:600]
    line = _HINT.sub("", line)
    for found in _IDENTIFIER.finditer(line):
        kept += [name for name in found.groups() if name]
    if line[:1] in "'\"" and line[-1:] == line[:1] and " " in line:
        line = line[1:-1]  # a sentence that was quoted as a whole, as Python does for a KeyError
    words = [word for found in _WORD.finditer(_QUOTED.sub(" ", line)) for word in _known(found[0])]
    return " ".join(dict.fromkeys([*words, *kept]))


def _known(word: str) -> list[str]:
    low = word.lower()
    if low in _VOCABULARY:
        return [low]
    return [part for part in low.split("-") if part in _VOCABULARY and len(part) > 1] if "-" in low else []
