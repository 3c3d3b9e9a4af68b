/*
 * Sharing tags as leases (src/cluster/sharing-tags.ts, sharing-tag-vote.ts): three nodes that may hold one tag, time in
 * quarters of a lease. One crash, one restart, one cut link that heals; answers are late or lost as they like. Names
 * are those of the code. The clocks of the nodes run equally fast: `ownShare` is for those that do not.
 *
 * Left out: release and yield, which only end promises of a holder that has stopped; freezes (a lease ends by time,
 * whoever looks). Each rule can be left out, and then a run must fail: -DNO_MAJORITY -DNO_PROMISE -DNO_YOUTH -DNO_ASKED.
 */

#define NODES 3
#define NOBODY 3
#define LEASE 4
#define OWN 3        /* nine tenths, in whole quarters */
#define ROUND 2      /* after that a claim is given up */

mtype = { backup, claiming, isActive };   /* phase */

bool alive[NODES] = true;
byte incarnation[NODES] = 1;
byte cut = NOBODY;                 /* the node opposite to the cut link */
byte dead[NODES] = 0;              /* quarters since it died */

mtype phase[NODES] = backup;
byte epoch[NODES] = 0;             /* of its claim */
byte age[NODES] = 0;               /* since it asked */
byte grants[NODES] = 0;            /* bits */
byte lease[NODES] = 0;             /* what is left of it */

byte promisedTo[NODES] = NOBODY;   /* TagVotes */
byte promisedLife[NODES] = 0;
byte promiseLeft[NODES] = 0;
byte epochSeen[NODES] = 0;
byte youth[NODES] = 0;             /* until votesFrom */

byte claims = 3;                   /* that are still tried */
bool crashed = false; bool restarted = false; bool wasCut = false;

#define LINKED(a, b) (alive[a] && alive[b] && cut != 3 - (a) - (b))
#define BIT(n) (1 << (n))
#define HAS(n) (alive[n] && phase[n] == isActive && lease[n] > 0)
#define ONE_AT_MOST (HAS(0) + HAS(1) + HAS(2) <= 1)

/* electorate(): the dead count for a while when the holder is a new one. */
#define VOTES(n, v) (alive[v] || (phase[n] == claiming && dead[v] < LEASE))
#define VOTERS(n) (VOTES(n, 0) + VOTES(n, 1) + VOTES(n, 2))
#define GRANTED(n) (((grants[n] & 1) && VOTES(n, 0)) + ((grants[n] & 2) && VOTES(n, 1)) + ((grants[n] & 4) && VOTES(n, 2)))
#define LOWEST(n) ((VOTES(n, 0) && (grants[n] & 1)) || (!VOTES(n, 0) && VOTES(n, 1) && (grants[n] & 2)) || (!VOTES(n, 0) && !VOTES(n, 1) && (grants[n] & 4)))
#ifdef NO_MAJORITY
#define QUORUM(n) (GRANTED(n) > 0)
#else
#define QUORUM(n) (GRANTED(n) * 2 > VOTERS(n) || (GRANTED(n) * 2 == VOTERS(n) && LOWEST(n)))
#endif

/* promiseOf: nobody, or one whose time is over, or a process that is proved dead */
#define FREE(v) (promisedTo[v] == NOBODY || promiseLeft[v] == 0 || !alive[promisedTo[v]] || incarnation[promisedTo[v]] != promisedLife[v])

/* TagVotes.ask */
#ifdef NO_PROMISE
#define GRANTS(v, n) (phase[n] == isActive || (epoch[n] > epochSeen[v] && youth[v] == 0))
#else
#define GRANTS(v, n) ((promisedTo[v] == n && promisedLife[v] == incarnation[n] || FREE(v)) && (phase[n] == isActive || (epoch[n] > epochSeen[v] && youth[v] == 0)))
#endif

inline promise(v, n) {
  promisedTo[v] = n; promisedLife[v] = incarnation[n]; promiseLeft[v] = LEASE;
  if :: epoch[n] > epochSeen[v] -> epochSeen[v] = epoch[n] :: else fi
}

/* SharingTags.#count */
inline count(n) {
  if
  :: phase[n] != backup && QUORUM(n) ->
#ifdef NO_ASKED
     lease[n] = OWN + 1; phase[n] = isActive
#else
     if :: age[n] < OWN -> lease[n] = OWN - age[n]; phase[n] = isActive :: else fi
#endif
  :: else
  fi;
  assert(ONE_AT_MOST)
}

inline ask(n) {
  age[n] = 0; grants[n] = 0;
  if :: GRANTS(n, n) -> promise(n, n); grants[n] = BIT(n) :: else fi;
  count(n)
}

inline claim(n) { claims--; epoch[n] = epochSeen[n] + 1; phase[n] = claiming; ask(n) }

/* A voter's grant, and its way back, which may be no way */
inline vote(v, n) {
  promise(v, n);
  if :: grants[n] = grants[n] | BIT(v); count(n) :: skip fi
}

inline pass(n) {
  if :: lease[n] > 0 -> lease[n]-- :: else fi;
  if :: promiseLeft[n] > 0 -> promiseLeft[n]-- :: else -> promisedTo[n] = NOBODY; promisedLife[n] = 0 fi;
  if :: youth[n] > 0 -> youth[n]-- :: else fi;
  if :: !alive[n] && dead[n] < LEASE -> dead[n]++ :: else fi;
  if :: phase[n] != backup && age[n] < LEASE -> age[n]++ :: else fi;
  if
  :: phase[n] == isActive && lease[n] == 0 -> phase[n] = backup; age[n] = 0; grants[n] = 0
  :: phase[n] == claiming && age[n] >= ROUND -> phase[n] = backup; age[n] = 0; grants[n] = 0
  :: else
  fi
}

inline crash(n) {
  crashed = true; alive[n] = false; dead[n] = 0; phase[n] = backup; lease[n] = 0; grants[n] = 0; age[n] = 0;
  promisedTo[n] = NOBODY; promisedLife[n] = 0; promiseLeft[n] = 0; epochSeen[n] = 0; epoch[n] = 0
}

inline restart(n) {
  restarted = true; alive[n] = true; incarnation[n]++; dead[n] = 0;
#ifndef NO_YOUTH
  youth[n] = LEASE + 1
#endif
}

#define CLAIMS(n) (claims > 0 && alive[n] && phase[n] == backup && FREE(n) && youth[n] == 0)
#define RENEWS(n) (alive[n] && phase[n] == isActive && lease[n] > 0 && age[n] >= 1)
#define OPEN(v, n) (LINKED(v, n) && phase[n] != backup && !(grants[n] & BIT(v)) && GRANTS(v, n))

active proctype world() {
  do
  :: atomic { CLAIMS(0) -> claim(0) }
  :: atomic { CLAIMS(1) -> claim(1) }
  :: atomic { CLAIMS(2) -> claim(2) }
  :: atomic { RENEWS(0) -> ask(0) }
  :: atomic { RENEWS(1) -> ask(1) }
  :: atomic { RENEWS(2) -> ask(2) }
  :: atomic { OPEN(0, 1) -> vote(0, 1) }
  :: atomic { OPEN(0, 2) -> vote(0, 2) }
  :: atomic { OPEN(1, 0) -> vote(1, 0) }
  :: atomic { OPEN(1, 2) -> vote(1, 2) }
  :: atomic { OPEN(2, 0) -> vote(2, 0) }
  :: atomic { OPEN(2, 1) -> vote(2, 1) }
  :: atomic { true -> pass(0); pass(1); pass(2); assert(ONE_AT_MOST) }
  :: atomic { !crashed -> crash(0) }
  :: atomic { !crashed -> crash(1) }
  :: atomic { !crashed -> crash(2) }
  :: atomic { crashed && !restarted && !alive[0] -> restart(0) }
  :: atomic { crashed && !restarted && !alive[1] -> restart(1) }
  :: atomic { crashed && !restarted && !alive[2] -> restart(2) }
  :: atomic { !wasCut -> wasCut = true; if :: cut = 0 :: cut = 1 :: cut = 2 fi }
  :: atomic { wasCut && cut != NOBODY -> cut = NOBODY }
  od
}
