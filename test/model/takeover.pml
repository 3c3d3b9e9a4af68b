/*
 * Takeover (src/cluster/takeover.ts, peer-table.ts, src/server/ownership.ts): one INVITE transaction that node 0 began in
 * its first life, and what its two peers do when that life ends, is cut off, or stands still and comes back. One crash,
 * one restart, one cut link (healed again), in every order; instead of the crash a freeze of node 0 (SIGSTOP), that ends. Names are those of the code.
 *
 * Assumed, not shown: what peers tell each other arrives while a life is `unsure`, and both have made up their minds
 * about it when the callee's final response comes: milliseconds against tenths of seconds. A response that slips in
 * between reaches the caller, but not the adopter.
 * Left out: the adopter's own successor; claims (claims.pml).
 *
 * Each rule can be left out, and then a run must fail: -DNO_UNSURE -DNO_HALF -DNO_ADOPTED -DNO_ENDED -DNO_DOUBT
 * -DNO_INCARNATION -DNO_HEIR.
 */

#define NODES 3
#define ROOM 4
#define C(from, to) link_[(from) * NODES + (to)]

mtype = { here, unsure, unseen, over };                        /* Life, as a peer sees node 0's first life */
mtype = { nothing, owns, done, gone };                         /* the transaction on a node; gone: yielded or dropped */
mtype = { checkpoint, ended, forget, adopted, yielded, heir }; /* TakeoverMessage */

chan link_[9] = [ROOM] of { mtype };

bool alive[NODES] = true;
byte incarnation = 1;            /* of node 0 */
bool frozen = false;             /* node 0: SIGSTOP */
bool doubt = false;              /* node 0 has just gone on, or lost all peers: no timeout may speak */
byte cut = 3;                    /* the node opposite to the cut link; 3: none */

mtype life[NODES] = here;        /* peers 1 and 2 */
bool sees[NODES] = true;         /* node 0 has a way to that peer */
byte successor = 1;              /* node 0's choice; 0: none */
bool relayed[NODES] = false;     /* ... through the other peer */
bool copy[NODES] = false;        /* CheckpointStore */
bool heard[NODES] = false;       /* the other peer said that it goes on with that life */
bool copyAtDeath[NODES] = false; /* ... when the first life of node 0 ended */
bool hasAdopted[NODES] = false;
byte heirOf[NODES] = 1;          /* who goes on with that life, as told by node 0 or by the heir; 0: nobody known */
mtype work[NODES] = nothing;

bool calleeAnswered = false;
bool answered = false;           /* the caller has the callee's answer */
bool givenUp = false;            /* ... or a 408 of ours */

/* of one step, not of the world */
hidden byte best; hidden mtype message;

bool crashed = false; bool restarted = false; bool wasCut = false;

/* ── who reaches whom ────────────────────────────────────────────────────────────────────────────────────────── */

#define RUNS(n) (alive[n] && !((n) == 0 && frozen))
#define OTHER(a, b) (3 - (a) - (b))
#define DIRECT(a, b) (RUNS(a) && RUNS(b) && cut != OTHER(a, b))
/* One relay hop. */
#define REACHES(a, b) (DIRECT(a, b) || (DIRECT(a, OTHER(a, b)) && DIRECT(OTHER(a, b), b)))
#define PEER(n) (3 - (n)) /* of 1 and 2 the other */
#define MISSING(n) (2 - REACHES(n, 0) - REACHES(n, PEER(n)))

#define HALF(n) ((3 - MISSING(n)) >= MISSING(n))
/* Its machine is reached, and nobody listens there. */
#define REFUSES(n) (!alive[0] && cut != PEER(n))

#define OWNERLESS ((alive[0] && incarnation == 1) || (KNOWS(1) && KNOWS(2)))

/* What the direct link or the relay would bring, were both ends there; a cut link holds it back, TCP repeats it. */
#define CARRIES(n) (cut != PEER(n) || (relayed[n] && RUNS(PEER(n))))
#define WAY(n) (RUNS(0) && RUNS(n) && CARRIES(n))

/* What the other peer said has come: it takes milliseconds, what waits for this tenths of seconds. */
#define HEARD(n) (cut == 0 || len(C(PEER(n), n)) == 0)

/* Both peers see the same death, within one heartbeat. */
#define DECIDED(n) (cut == 0 || !alive[PEER(n)] || life[PEER(n)] == over || life[PEER(n)] == unseen || WAY(PEER(n)))

/* A broken way loses what was under way on it. */
inline flush(a, b) {
  do :: len(C(a, b)) > 0 -> C(a, b)?_ :: else -> break od;
  do :: len(C(b, a)) > 0 -> C(b, a)?_ :: else -> break od
}

/* ── the caller ──────────────────────────────────────────────────────────────────────────────────────────────── */

/* Two nodes may say 408, when the news of the first was lost with it; a call is never both answered and given up. */
inline check() { assert(!answered || !givenUp) }

inline passAnswer() { answered = true; check() }

/* ── the owner ───────────────────────────────────────────────────────────────────────────────────────────────── */

/* Takeover.#choose */
inline choose() {
  if
  :: sees[1] -> best = 1
  :: !sees[1] && sees[2] -> best = 2
  :: else -> best = 0
  fi;
  if
  :: best != successor ->
     if :: successor != 0 && sees[successor] && len(C(0, successor)) < ROOM -> C(0, successor)!forget :: else fi;
     successor = best; give()
  :: else
  fi;
  announce(1); announce(2);
  best = 0
}

/* `successor` to all */
inline announce(n) { if :: sees[n] && life[n] == here && WAY(n) -> heirOf[n] = successor :: else fi }

inline give() {
  if
  :: work[0] == owns && incarnation == 1 && successor != 0 && len(C(0, successor)) < ROOM -> C(0, successor)!checkpoint
  :: else
  fi
}

inline finish(n) {
  work[n] = done;
  if
  :: n == 0 && incarnation == 1 && successor != 0 && len(C(0, successor)) < ROOM -> C(0, successor)!ended
  :: else
  fi
}

/* ── the successor ───────────────────────────────────────────────────────────────────────────────────────────── */

/* Takeover.#adoptAll */
inline adopt(n) {
  life[n] = over;
  if
#ifndef NO_HEIR
  :: copy[n] && heard[n] -> copy[n] = false
  :: copy[n] && !heard[n] ->
#else
  :: copy[n] ->
#endif
     copy[n] = false; work[n] = owns; hasAdopted[n] = true; heirOf[n] = n;
     if :: REACHES(n, PEER(n)) && len(C(n, PEER(n))) < ROOM -> C(n, PEER(n))!heir :: else fi
  :: else
  fi
}

/* What Takeover.#look makes of PeerTable.#judge when the node's life is not `unsure` any more. */
inline settle(n) {
  if
#ifndef NO_HALF
  :: !HALF(n) && !REFUSES(n) -> life[n] = unseen; copy[n] = false
  :: HALF(n) || REFUSES(n) -> adopt(n)
#else
  :: true -> adopt(n)
#endif
  fi
}

/* A link comes up between node 0 and a peer: Takeover.onPeerUp on both. */
inline meet(n) {
  flush(0, n);
  sees[n] = true; relayed[n] = !DIRECT(0, n);
  if
#ifdef NO_INCARNATION
  :: true ->
#else
  :: incarnation == 2 -> if :: life[n] != over -> adopt(n) :: else fi
  :: incarnation == 1 ->
#endif
     life[n] = here; copy[n] = false; heard[n] = false;
     if :: successor == n -> give() :: else fi; /* `again` */
#ifndef NO_ADOPTED
     if :: hasAdopted[n] -> C(n, 0)!adopted :: else fi
#endif
  fi;
  choose()
}

/* ── a response of the callee, at node r ─────────────────────────────────────────────────────────────────────── */

inline atOwner() { /* the branch names node 0 in its first life, and it lives */
  if
  :: work[0] == owns -> finish(0); passAnswer()
  :: work[0] == gone && work[1] == owns && REACHES(0, 1) -> finish(1); passAnswer() /* relayToHeir */
  :: work[0] == gone && work[2] == owns && REACHES(0, 2) -> finish(2); passAnswer()
  :: else -> skip /* late: its own transaction passes a repeated 2xx on */
  fi
}

inline orphaned(r) { /* the first life is over: Ownership.#routeToSuccessor */
  if
  :: heirOf[r] != 0 && heirOf[r] != r && REACHES(r, heirOf[r]) ->
     if
     :: work[heirOf[r]] == owns -> finish(heirOf[r]); passAnswer()
     :: work[heirOf[r]] != owns && life[heirOf[r]] == over -> stateless()
     :: else /* kept there until its life is over for the heir too */
     fi
#ifndef NO_HEIR
  :: heirOf[r] != 0 && heirOf[r] != r && !REACHES(r, heirOf[r]) && alive[heirOf[r]] /* isHeirOutOfReach: kept */
#endif
  :: else -> stateless()
  fi
}

/* RFC 3261 16.7 step 10 would let it pass after a 408, too: not what is looked for here. */
inline stateless() { if :: !givenUp -> passAnswer() :: else fi }

inline response(r) {
  if
  :: r == 0 && incarnation == 1 -> atOwner()
#ifdef NO_INCARNATION
  :: r == 0 && incarnation == 2 -> skip
#else
  :: r == 0 && incarnation == 2 -> orphaned(0)
#endif
  :: r != 0 && work[r] == owns -> finish(r); passAnswer()
  :: r != 0 && work[r] != owns && life[r] == here ->
     if :: REACHES(r, 0) && incarnation == 1 -> atOwner() :: else fi
  :: r != 0 && work[r] != owns && life[r] == over && DECIDED(r) -> orphaned(r)
  :: else -> skip /* unsure, unseen: kept, and repeated by the callee */
  fi
}

/* ── messages and faults ─────────────────────────────────────────────────────────────────────────────────────── */

inline fromOwner(n) {
  C(0, n)?message;
  if
  :: life[n] != here /* this end is closed already */
  :: else ->
  if
  :: message == checkpoint -> copy[n] = true
  :: message == forget -> copy[n] = false
  :: message == ended ->
     copy[n] = false;
     if :: hasAdopted[n] && work[n] == owns -> work[n] = gone :: else fi
  :: message == yielded
  fi
  fi
}

inline fromHeir(n) {
  C(n, 0)?message;
  if
  :: message == adopted && sees[n] && incarnation == 1 && work[0] == owns ->
     work[0] = gone; if :: len(C(0, n)) < ROOM -> C(0, n)!yielded :: else fi
#ifndef NO_ENDED
  :: message == adopted && sees[n] && incarnation == 1 && work[0] == done ->
     if :: len(C(0, n)) < ROOM -> C(0, n)!ended :: else fi
#endif
  :: else
  fi
}

inline fromPeer(n, from) {
  C(from, n)?message;
  if
  :: message == heir -> heirOf[n] = from; heard[n] = true; if :: life[n] != here -> copy[n] = false :: else fi
  :: else
  fi
}

inline lose(n) {
  flush(0, n);
#ifdef NO_UNSURE
  adopt(n)
#else
  life[n] = unsure
#endif
}

inline crash(n) {
  crashed = true;
  if
  :: n == 0 ->
     copyAtDeath[1] = copy[1] && work[0] == owns && life[1] == here;
     copyAtDeath[2] = copy[2] && work[0] == owns && life[2] == here && successor == 2
  :: else -> copyAtDeath[n] = false
  fi;
  alive[n] = false;
  flush(n, (n + 1) % 3); flush(n, (n + 2) % 3)
}

/* kill -9 and the next life; a peer has not met node 0 yet */
inline restart(n) {
  restarted = true; alive[n] = true;
  if
  :: n == 0 -> incarnation = 2; work[0] = nothing; sees[1] = false; sees[2] = false; successor = 0
  :: else -> copy[n] = false; hasAdopted[n] = false; heirOf[n] = 0; work[n] = nothing; life[n] = over; heard[n] = false
  fi
}

/* ── everything that can happen ──────────────────────────────────────────────────────────────────────────────── */

/* Node 0 and the peer have nothing more to tell each other. */
#define SETTLED(n) (!RUNS(n) || !RUNS(0) || incarnation == 2 || (life[n] == here && sees[n] && len(C(n, 0)) == 0 && len(C(0, n)) == 0))
#define KNOWS(n) (!alive[n] || life[n] == over)
#define TIMEOUT(n) finish(n); givenUp = true; check()
#define HELD(n) (copyAtDeath[n] && alive[n] && life[n] == over)

active proctype world() {

  atomic { work[0] = owns; give() }

  do
  /* messages */
  :: atomic { len(C(0, 1)) > 0 && RUNS(1) && CARRIES(1) -> fromOwner(1) }
  :: atomic { len(C(0, 2)) > 0 && RUNS(2) && CARRIES(2) -> fromOwner(2) }
  :: atomic { len(C(1, 0)) > 0 && RUNS(0) && CARRIES(1) -> fromHeir(1) }
  :: atomic { len(C(2, 0)) > 0 && RUNS(0) && CARRIES(2) -> fromHeir(2) }
  :: atomic { len(C(1, 2)) > 0 && RUNS(2) && cut != 0 -> fromPeer(2, 1) }
  :: atomic { len(C(2, 1)) > 0 && RUNS(1) && cut != 0 -> fromPeer(1, 2) }

  /* a peer loses node 0, and then makes up its mind */
  :: atomic { RUNS(1) && life[1] == here && (!WAY(1) || incarnation == 2 || !sees[1]) -> lose(1) }
  :: atomic { RUNS(2) && life[2] == here && (!WAY(2) || incarnation == 2 || !sees[2]) -> lose(2) }
  :: atomic { RUNS(1) && life[1] == unsure && !REACHES(1, 0) && HEARD(1) -> settle(1) }
  :: atomic { RUNS(2) && life[2] == unsure && !REACHES(2, 0) && HEARD(2) -> settle(2) }
  /* node 0 loses a peer */
  :: atomic { RUNS(0) && sees[1] && (!WAY(1) || (life[1] != here && incarnation == 1)) -> flush(0, 1); sees[1] = false; choose() }
  :: atomic { RUNS(0) && sees[2] && (!WAY(2) || (life[2] != here && incarnation == 1)) -> flush(0, 2); sees[2] = false; choose() }
  /* they find each other again, by whatever way, or a new life of one of them */
  :: atomic { REACHES(0, 1) && life[1] != here && !sees[1] && HEARD(1) -> meet(1) }
  :: atomic { REACHES(0, 2) && life[2] != here && !sees[2] && HEARD(2) -> meet(2) }
  /* node 0 is sure of itself again when it has met whom it can, and heard what they had to say */
  :: atomic { doubt && RUNS(0) && SETTLED(1) && SETTLED(2) -> doubt = false }

  /* the callee answers, and repeats it until the caller has it; or Timer B or C runs out */
  :: atomic { !calleeAnswered && !givenUp -> calleeAnswered = true }
  :: atomic { calleeAnswered && !answered && RUNS(0) -> response(0) }
  :: atomic { calleeAnswered && !answered && RUNS(1) && HEARD(1) -> response(1) }
  :: atomic { calleeAnswered && !answered && RUNS(2) && HEARD(2) -> response(2) }
#ifdef NO_DOUBT
  :: atomic { RUNS(0) && work[0] == owns && (!calleeAnswered || doubt) -> TIMEOUT(0) /* it ran out while it stood still */ }
#else
  :: atomic { RUNS(0) && work[0] == owns && !calleeAnswered && !doubt -> TIMEOUT(0) }
#endif
  /* An adopter's repeated INVITE is answered again; the answer comes to it unless the former owner lives. */
  :: atomic { RUNS(1) && work[1] == owns && (!calleeAnswered || (WAY(1) && life[1] == here && SETTLED(1) && incarnation == 1)) -> TIMEOUT(1) }
  :: atomic { RUNS(2) && work[2] == owns && (!calleeAnswered || (WAY(2) && life[2] == here && SETTLED(2) && incarnation == 1)) -> TIMEOUT(2) }

  /* faults */
  :: atomic { !crashed && !frozen -> crash(0) }
  :: atomic { !crashed -> crash(1) }
  :: atomic { !crashed -> crash(2) }
  :: atomic { crashed && !restarted && !alive[0] -> restart(0) }
  :: atomic { crashed && !restarted && !alive[1] -> restart(1) }
  :: atomic { crashed && !restarted && !alive[2] -> restart(2) }
  :: atomic { !wasCut -> wasCut = true; if :: cut = 0 :: cut = 1 :: cut = 2 fi }
  :: atomic { wasCut && cut != 3 -> cut = 3 }
  :: atomic { !crashed -> crashed = true; frozen = true }
  :: atomic { frozen -> frozen = false; doubt = true }

  /* the end: nothing is under way any more */
  :: atomic { cut == 3 && !frozen && !doubt && SETTLED(1) && SETTLED(2) && len(C(1, 2)) == 0 && len(C(2, 1)) == 0 && OWNERLESS -> break }
  od;

  /* At most one node has the transaction. */
  assert((alive[0] && work[0] == owns) + (alive[1] && work[1] == owns) + (alive[2] && work[2] == owns) <= 1);
  /* What its living successor held when the owner died was not lost. */
  assert(!(HELD(1) || HELD(2)) || hasAdopted[1] || hasAdopted[2] || answered || givenUp)
}
