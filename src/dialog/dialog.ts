/**
 * A call that is set up or going on, as every node of the cluster knows it. Plain data. Any node may change it; each
 * change is a new version, and of two versions all nodes keep the same one.
 */

/** OpenSIPS's numbers. */
export const dialogStates = { unconfirmed: 1, early: 2, answered: 3, confirmed: 4, deleted: 5 } as const;
export type DialogState = (typeof dialogStates)[keyof typeof dialogStates];

/** What is due when its lifetime ends: the flags of `create_dialog`. */
export const dialogDuties = { byeOnTimeout: 1 } as const;

export interface ProfileEntry {
  /** Without its suffix (`/b`, `/s`). */
  readonly profile: string;
  /** Null in a profile without values. */
  readonly value: string | null;
}

/** One side of the call: what is needed to send it a request within the dialog (RFC 3261 12.1). */
export interface Leg {
  /** Its remote target, a URI; '' when unknown. */
  readonly contact: string;
  /** Route values of a request to this side, nearest hop first, separated by commas; '' for none. */
  readonly routeSet: string;
  /** CSeq of the last request that this side sent, 0 for none. */
  readonly cseq: number;
}

export const noLeg: Leg = { contact: '', routeSet: '', cseq: 0 };

export type DialogValue = string | number;

/** What is told to the other nodes. */
export interface DialogRecord {
  /** Text of `did` in Record-Route; unique in the cluster. */
  readonly id: string;
  /** Node and incarnation that created it. */
  readonly owner: number;
  readonly incarnation: number;
  readonly state: number;
  readonly callId: string;
  readonly fromTag: string;
  readonly toTag: string;
  readonly fromUri: string;
  readonly toUri: string;
  readonly callerContact: string;
  /** Unix seconds; 0 until it is answered. */
  readonly start: number;
  /** Seconds that it may last. */
  readonly lifetime: number;
  readonly profiles: readonly {
    readonly profile: string;
    readonly value: string;
    readonly hasValue: boolean;
  }[];
  /** How often what follows, its profiles and its lifetime were changed, and the node that did it last. */
  readonly version: number;
  readonly editor: number;
  readonly caller: Leg;
  readonly callee: Leg;
  /** Bits of {@link dialogDuties}. */
  readonly duties: number;
  /** Names of the script's flags, separated by blanks: nodes may give them other bits. */
  readonly flags: string;
  readonly values: readonly { readonly name: string; readonly isNumber: boolean; readonly text: string }[];
  /** What modules keep with it. */
  readonly kept: readonly { readonly name: string; readonly text: string }[];
}

export class Dialog {
  readonly id: string;
  readonly owner: number;
  readonly incarnation: number;
  readonly callId: string;
  readonly fromTag: string;
  readonly fromUri: string;
  readonly toUri: string;
  readonly callerContact: string;
  toTag: string;
  state: number;
  start: number;
  lifetime: number;
  endReason = '';
  /** Of the script, as this node's bits. */
  flags = 0;
  duties: number;
  caller: Leg;
  callee: Leg;
  profiles: ProfileEntry[] = [];
  /** `$dlg_val(…)` */
  readonly values = new Map<string, DialogValue>();
  readonly kept = new Map<string, string>();
  version: number;
  editor: number;
  /** Peers know of it: before that no change is worth a word. */
  isTold = false;
  /** Unix second at which something is to be done about it, 0 = never. Kept by the wheel that it stands in. */
  due = 0;
  /** True between the beginning and the end of a snapshot that has not mentioned it yet. */
  unmentioned = false;

  constructor(record: DialogRecord) {
    this.id = record.id;
    this.owner = record.owner;
    this.incarnation = record.incarnation;
    this.callId = record.callId;
    this.fromTag = record.fromTag;
    this.toTag = record.toTag;
    this.fromUri = record.fromUri;
    this.toUri = record.toUri;
    this.callerContact = record.callerContact;
    this.state = record.state;
    this.start = record.start;
    this.lifetime = record.lifetime;
    this.duties = record.duties;
    this.caller = record.caller;
    this.callee = record.callee;
    this.version = record.version;
    this.editor = record.editor;
  }

  get isAnswered(): boolean {
    return this.state === dialogStates.answered || this.state === dialogStates.confirmed;
  }

  /** RFC 3261 12.2.2: true when a request with these tags belongs to it. Before the answer the callee's may be any. */
  hasTags(fromTag: string, toTag: string): boolean {
    const isOpen = this.toTag === '' || !this.isAnswered;
    if (fromTag === this.fromTag) return isOpen || toTag === this.toTag;
    return toTag === this.fromTag && (isOpen || fromTag === this.toTag);
  }

  isFromCaller(fromTag: string): boolean {
    return fromTag === this.fromTag;
  }

  /** A version of a peer that is not older than ours: everything but its state, its answer, flags and profiles. */
  take(record: DialogRecord): void {
    this.version = record.version;
    this.editor = record.editor;
    this.lifetime = record.lifetime;
    this.duties = record.duties;
    this.caller = record.caller;
    this.callee = record.callee;
    this.values.clear();
    for (const { name, isNumber, text } of record.values)
      this.values.set(name, isNumber ? Number(text) : text);
    this.kept.clear();
    for (const { name, text } of record.kept) this.kept.set(name, text);
  }

  /** False when ours is the later one, on every node alike. */
  isReplacedBy({ version, editor }: DialogRecord): boolean {
    return version === this.version ? editor >= this.editor : version > this.version;
  }

  /** `flags`: the names of its flags. */
  record(flags: string): DialogRecord {
    const { id, owner, incarnation, state, callId, fromTag, toTag, fromUri, toUri, callerContact } = this;
    const { start, lifetime, version, editor, caller, callee, duties } = this;
    return {
      id,
      owner,
      incarnation,
      state,
      callId,
      fromTag,
      toTag,
      fromUri,
      toUri,
      callerContact,
      start,
      lifetime,
      profiles: this.profiles.map(({ profile, value }) => ({
        profile,
        value: value ?? '',
        hasValue: value !== null,
      })),
      version,
      editor,
      caller,
      callee,
      duties,
      flags,
      values: Array.from(this.values, ([name, value]) => ({
        name,
        isNumber: typeof value === 'number',
        text: String(value),
      })),
      kept: Array.from(this.kept, ([name, text]) => ({ name, text })),
    };
  }
}

export function profilesOf({ profiles }: DialogRecord): ProfileEntry[] {
  return profiles.map(({ profile, value, hasValue }) => ({ profile, value: hasValue ? value : null }));
}
