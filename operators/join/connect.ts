/** A key actor of two inputs. */
import type { ActorDefinition, KeyTurn } from '../actor.ts'
import type { AnyDefinition } from '../actor-operator.ts'
import type { Key } from '../operator.ts'
import type { CellSpec } from '../state.ts'

type Specs = Readonly<Record<string, CellSpec>>

/** What an actor of two inputs does with the records of each. The rest is as in any actor. */
export interface ConnectDefinition<
  State extends Specs,
  Left,
  Right,
  Out,
  Sides,
  K extends Key = Key,
> extends Omit<ActorDefinition<State, never, Out, Sides, K>, 'onRecord'> {
  readonly onLeft: (record: Left, key: KeyTurn<State, Out, Sides, K>) => void
  readonly onRight: (record: Right, key: KeyTurn<State, Out, Sides, K>) => void
}

/** Whatever its types are. */
export type AnyConnect = Omit<AnyDefinition, 'onRecord' | 'onOther'> & {
  readonly onLeft: AnyDefinition['onRecord']
  readonly onRight: AnyDefinition['onRecord']
}

/** The same as an actor with a function for its other input. */
export const connected = ({ onLeft, onRight, ...definition }: AnyConnect): AnyDefinition => ({
  ...definition,
  onRecord: onLeft,
  onOther: onRight,
})
