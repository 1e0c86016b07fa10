// The room of a page: fetched, then replaced whole by each `room.changed`.
import { onScopeDispose, shallowRef, watch } from 'vue'
import { getRoom } from '../api/rooms'
import { outdatedBy, type Room } from '../domain/room'
import { useAsked } from './asked'
import { onResync, onTopic } from './stream'

export function useRoom(id: () => string) {
  const room = shallowRef<Room | null>(null)
  /** Counts what was heard: an answer that was asked for before it may be older. */
  let heard = 0
  let before = 0
  const { load, problem } = useAsked(
    () => {
      before = heard
      return getRoom(id())
    },
    (found) => {
      if (before === heard) room.value = found
    },
    id,
  )

  function hear(told: Room): void {
    heard += 1
    // An answer may have been quicker than the stream, which then tells of the time before.
    if (room.value === null || told.revision >= room.value.revision) room.value = told
    problem.value = null
  }

  /** The answer to a control. */
  function put(answered: Room): void {
    if (answered.id !== id() || !outdatedBy(room.value, answered)) return
    heard += 1
    room.value = answered
  }

  const stops = [
    onTopic('room.changed', (record) => {
      const changed = record as Room
      if (changed.id === id()) hear(changed)
    }),
    onResync(() => void load()),
  ]
  watch(
    id,
    () => {
      room.value = null
      problem.value = null
      void load()
    },
    { immediate: true },
  )
  onScopeDispose(() => stops.forEach((stop) => stop()))
  return { room, problem, load, put }
}
