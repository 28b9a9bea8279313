// What the card keeps, as typed cells over the store: reads see the changes of the command in hand, one commit ends it.
import { AgentError } from '../base/errors.ts';
import { type CborType, cborItem } from '../codec/cbor-table.ts';
import type { CardStore } from './store.ts';

/** One named value. Values are treated as immutable: write a new one, never change the one that was read. */
export type Cell<T> = { readonly name: string; readonly type: CborType<T>; readonly initial: T };

/** Cells of one kind, told apart by an identifier: `profile/3/info`. */
export type CellFamily<T> = {
  readonly prefix: string;
  (id: string | number): Cell<T>;
};

export function cell<T>(name: string, type: CborType<T>, initial: T): Cell<T> {
  return { name, type, initial };
}

export function cellFamily<T>(prefix: string, type: CborType<T>, initial: T): CellFamily<T> {
  return Object.assign((id: string | number) => cell(`${prefix}${id}`, type, initial), { prefix });
}

/** The transaction of one command. Everything staged is forgotten by `rollback`, and by a `commit` that fails. */
export type State = {
  read<T>(from: Cell<T>): T;
  write<T>(to: Cell<T>, value: T): void;
  has(of: { readonly name: string }): boolean;
  remove(of: { readonly name: string }): void;
  /** Removes every cell whose name begins so. */
  removeAll(prefix: string): void;
  /** What follows `prefix` in the names of the cells that there are. */
  ids(prefix: string): readonly string[];
  /** Writes what is staged; true when there was something. */
  commit(): Promise<boolean>;
  rollback(): void;
};

type Staged = { readonly value: unknown; readonly encode: () => Uint8Array } | null;

export function createState(store: CardStore): State {
  const committed = new Map<string, unknown>();
  const staged = new Map<string, Staged>();
  const names = (prefix: string): string[] => {
    const found = new Set(store.names().filter((name) => name.startsWith(prefix)));
    for (const [name, change] of staged) {
      if (!name.startsWith(prefix)) continue;
      if (change === null) found.delete(name);
      else found.add(name);
    }
    return [...found];
  };
  const state: State = {
    read<T>({ name, type, initial }: Cell<T>): T {
      const change = staged.get(name);
      if (change === null) return initial;
      if (change !== undefined) return change.value as T;
      if (committed.has(name)) return committed.get(name) as T;
      const bytes = store.get(name);
      if (bytes === undefined) return initial;
      const value = cborItem(type).decode(bytes);
      committed.set(name, value);
      return value;
    },
    write({ name, type }, value) {
      staged.set(name, { value, encode: () => cborItem(type).encode(value) });
    },
    has: ({ name }) => {
      const change = staged.get(name);
      return change === undefined ? store.get(name) !== undefined : change !== null;
    },
    remove: ({ name }) => void staged.set(name, null),
    removeAll(prefix) {
      for (const name of names(prefix)) staged.set(name, null);
    },
    ids: (prefix) => names(prefix).map((name) => name.slice(prefix.length)),
    async commit() {
      const changes = new Map<string, Uint8Array | null>();
      for (const [name, change] of staged) {
        if (change !== null) changes.set(name, change.encode());
        else if (store.get(name) !== undefined) changes.set(name, null);
      }
      const values = new Map(staged);
      staged.clear();
      await store.commit(changes);
      for (const [name, change] of values) {
        if (change === null) committed.delete(name);
        else committed.set(name, change.value);
      }
      return changes.size > 0;
    },
    rollback: () => staged.clear(),
  };
  return state;
}

/** The value of a cell that manufacture has written. Throws `STORE_CORRUPT` where it is missing. */
export function need<T>(state: State, from: Cell<T | undefined>): T {
  const value = state.read(from);
  if (value === undefined) throw new AgentError('STORE_CORRUPT', { missing: from.name });
  return value;
}
