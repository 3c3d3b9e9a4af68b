/*
 * Claims (src/cluster/claim-directory.ts, owner-question.ts, src/server/ownership.ts): two copies of one INVITE and the
 * caller's CANCEL reach any nodes, while claims and questions are under way. One crash, one restart, one cut link that
 * heals. Names are those of the code; node numbers stand for the order of the rendezvous hash.
 *
 * Left out: takeover (takeover.pml): the transaction of a node that dies is lost here. A cut link delays what is sent;
 * when it is up again, both ends tell each other all their claims.
 *
 * Each rule can be left out, and then a run must fail: -DNO_WINNER -DNO_ASK -DNO_INCARNATION -DNO_ONWARD.
 */

#define NODES 3
#define NOBODY 3
#define ROOM 6
#define C(from, to) link_[(from) * NODES + (to)]

mtype = { nothing, proceeding, withdrawn };   /* the transaction on a node */
mtype = { claim, invite, cancel, refused };   /* what is sent over the links */

chan link_[9] = [ROOM] of { mtype, byte };    /* and the incarnation of the sender */

bool alive[NODES] = true;
byte incarnation[NODES] = 1;
byte cut = NOBODY;                  /* the node opposite to the cut link */
mtype transaction[NODES] = nothing;
byte holder[NODES] = NOBODY;        /* the claim table of a node: who owns the key ... */
byte holderLife[NODES] = 0;         /* ... in which of its lives */

byte copies = 2;                    /* of the INVITE, still to come */
bool cancelSent = false;
byte cancelAsked = NOBODY;          /* the node that asks its peers */
byte asked = 0;                     /* bits of the peers that have said no */
bool accepted = false;              /* 200 to the CANCEL */
bool unknown = false;               /* 481 */
bool crashed = false; bool restarted = false; bool wasCut = false;

hidden mtype message; hidden byte life;

#define OTHER(a, b) (3 - (a) - (b))
#define LINKED(a, b) (alive[a] && alive[b] && cut != OTHER(a, b))
#define NEXT(n) (((n) + 1) % 3)
#define LAST(n) (((n) + 2) % 3)
#ifdef NO_INCARNATION
#define LIVES(n) (holder[n] != NOBODY && alive[holder[n]])
#else
#define LIVES(n) (holder[n] != NOBODY && alive[holder[n]] && incarnation[holder[n]] == holderLife[n])
#endif
#define OWNERS ((alive[0] && transaction[0] == proceeding) + (alive[1] && transaction[1] == proceeding) + (alive[2] && transaction[2] == proceeding))

inline send(from, to, what) {
  if :: alive[to] && len(C(from, to)) < ROOM -> C(from, to)!what,incarnation[from] :: else fi
}

inline flush(a, b) {
  do :: len(C(a, b)) > 0 -> C(a, b)?_,_ :: else -> break od;
  do :: len(C(b, a)) > 0 -> C(b, a)?_,_ :: else -> break od
}

/* TransactionModule.claim */
inline begin(n) {
  transaction[n] = proceeding; holder[n] = n; holderLife[n] = incarnation[n];
  send(n, NEXT(n), claim); send(n, LAST(n), claim)
}

/* ClaimDirectory.#receiveOne */
inline receiveClaim(n, from) {
  if
  :: holder[n] != NOBODY && holder[n] != from && LIVES(n) ->
     if
#ifdef NO_WINNER
     :: true -> skip
#else
     :: holder[n] < from -> skip
     :: holder[n] > from ->
        if :: holder[n] == n -> transaction[n] = withdrawn :: else fi;
        holder[n] = from; holderLife[n] = life
#endif
     fi
  :: else -> holder[n] = from; holderLife[n] = life
  fi
}

/* Receiver.#request: an INVITE from the network */
inline receiveInvite(n) {
  if
  :: transaction[n] == proceeding
  :: transaction[n] != proceeding && holder[n] != n && LIVES(n) -> send(n, holder[n], invite)
  :: else -> begin(n)
  fi
}

/* A CANCEL from the network; `refused`: the node that it was handed to does not have the transaction. */
inline receiveCancel(n) {
  if
  :: transaction[n] == proceeding -> accepted = true
  :: transaction[n] != proceeding && holder[n] != n && LIVES(n) -> send(n, holder[n], cancel)
#ifdef NO_ASK
  :: else -> unknown = true; assert(OWNERS == 0)
#else
  :: else -> cancelAsked = n; asked = 0
#endif
  fi
}

/* A CANCEL that a peer handed over */
inline handedCancel(n, from) {
  if
  :: transaction[n] == proceeding -> accepted = true
#ifndef NO_ONWARD
  :: transaction[n] == withdrawn && holder[n] != n && holder[n] != from && LIVES(n) -> send(n, holder[n], cancel)
  :: transaction[n] != proceeding && !(transaction[n] == withdrawn && holder[n] != n && holder[n] != from && LIVES(n)) -> unknown = true; assert(OWNERS == 0)
#else
  :: else -> unknown = true; assert(OWNERS == 0)
#endif
  fi
}

inline receive(n, from) {
  C(from, n)?message,life;
  if
  :: message == claim -> receiveClaim(n, from)
  :: message == invite -> if :: transaction[n] == proceeding :: transaction[n] == withdrawn :: transaction[n] == nothing -> begin(n) fi
  :: message == cancel -> handedCancel(n, from)
  fi
}

/* OwnerQuestions: the peer's answer; one that is out of reach gives none, and the caller asks again */
inline answer(n, peer) {
  if
  :: transaction[peer] == proceeding -> cancelAsked = NOBODY; asked = 0; send(n, peer, cancel)
  :: else -> asked = asked | (1 << peer)
  fi
}

inline crash(n) {
  crashed = true; alive[n] = false; transaction[n] = nothing; holder[n] = NOBODY;
  if :: cancelAsked == n -> cancelAsked = NOBODY; cancelSent = false :: else fi;
  flush(n, NEXT(n)); flush(n, LAST(n))
}

inline snapshot(from, to) { if :: alive[from] && holder[from] == from && transaction[from] == proceeding -> send(from, to, claim) :: else fi }

inline restart(n) {
  restarted = true; alive[n] = true; incarnation[n]++;
  snapshot(NEXT(n), n); snapshot(LAST(n), n)
}

inline asks(n) {
  if
  :: !(asked & (1 << NEXT(n))) && LINKED(n, NEXT(n)) -> answer(n, NEXT(n))
  :: !(asked & (1 << LAST(n))) && LINKED(n, LAST(n)) -> answer(n, LAST(n))
  :: !(asked & (1 << NEXT(n))) && !alive[NEXT(n)] -> asked = asked | (1 << NEXT(n))
  :: !(asked & (1 << LAST(n))) && !alive[LAST(n)] -> asked = asked | (1 << LAST(n))
  :: else
  fi
}

#define ALL(n) ((asked & (1 << NEXT(n))) && (asked & (1 << LAST(n))))
#define STILL (len(C(0, 1)) + len(C(0, 2)) + len(C(1, 0)) + len(C(1, 2)) + len(C(2, 0)) + len(C(2, 1)) == 0)

active proctype world() {
  do
  :: atomic { copies > 0 && alive[0] -> copies--; receiveInvite(0) }
  :: atomic { copies > 0 && alive[1] -> copies--; receiveInvite(1) }
  :: atomic { copies > 0 && alive[2] -> copies--; receiveInvite(2) }
  /* RFC 3261 9.1: after a provisional response, and then no copy of the INVITE is repeated any more */
  :: atomic { !cancelSent && OWNERS > 0 && copies == 0 && alive[0] -> cancelSent = true; receiveCancel(0) }
  :: atomic { !cancelSent && OWNERS > 0 && copies == 0 && alive[1] -> cancelSent = true; receiveCancel(1) }
  :: atomic { !cancelSent && OWNERS > 0 && copies == 0 && alive[2] -> cancelSent = true; receiveCancel(2) }
  :: atomic { cancelAsked == 0 && !ALL(0) -> asks(0) }
  :: atomic { cancelAsked == 1 && !ALL(1) -> asks(1) }
  :: atomic { cancelAsked == 2 && !ALL(2) -> asks(2) }
  :: atomic { cancelAsked != NOBODY && ALL(cancelAsked) -> cancelAsked = NOBODY; asked = 0; unknown = true; assert(OWNERS == 0 || restarted) }

  :: atomic { len(C(0, 1)) > 0 && LINKED(0, 1) -> receive(1, 0) }
  :: atomic { len(C(0, 2)) > 0 && LINKED(0, 2) -> receive(2, 0) }
  :: atomic { len(C(1, 0)) > 0 && LINKED(1, 0) -> receive(0, 1) }
  :: atomic { len(C(1, 2)) > 0 && LINKED(1, 2) -> receive(2, 1) }
  :: atomic { len(C(2, 0)) > 0 && LINKED(2, 0) -> receive(0, 2) }
  :: atomic { len(C(2, 1)) > 0 && LINKED(2, 1) -> receive(1, 2) }

  :: atomic { !crashed -> crash(0) }
  :: atomic { !crashed -> crash(1) }
  :: atomic { !crashed -> crash(2) }
  :: atomic { crashed && !restarted && !alive[0] -> restart(0) }
  :: atomic { crashed && !restarted && !alive[1] -> restart(1) }
  :: atomic { crashed && !restarted && !alive[2] -> restart(2) }
  :: atomic { !wasCut -> wasCut = true; if :: cut = 0 :: cut = 1 :: cut = 2 fi }
  :: atomic { wasCut && cut != NOBODY -> cut = NOBODY }

  :: atomic { copies == 0 && cut == NOBODY && STILL && cancelAsked == NOBODY -> break }
  od;

  /* One owner, and every node knows it. */
  assert(OWNERS <= 1);
  assert(OWNERS == 0 || !alive[0] || holder[0] == NOBODY || !LIVES(0) || transaction[holder[0]] == proceeding);
  assert(OWNERS == 0 || !alive[1] || holder[1] == NOBODY || !LIVES(1) || transaction[holder[1]] == proceeding);
  assert(OWNERS == 0 || !alive[2] || holder[2] == NOBODY || !LIVES(2) || transaction[holder[2]] == proceeding);
  /* Without a crash there is an owner, and the CANCEL has found it. */
  assert(crashed || OWNERS == 1);
  assert(crashed || !cancelSent || accepted || unknown)
}
