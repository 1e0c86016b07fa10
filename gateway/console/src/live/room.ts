// The room of a page: fetched, then replaced whole by each `room.changed`.
import { onScopeDispose, ref, shallowRef, watch } from 'vue'
import { asProblem, type Problem } from '../api/problem'
import { getRoom } from '../api/rooms'
import type { Room } from '../domain/room'
import { onResync, onTopic } from './stream'

export function useRoom(id: () => string) {
  const room = shallowRef<Room | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const loading = ref(false)
  /** Counts what was heard: an answer that was asked for before it may be older, and is fetched again. */
  let heard = 0

  function put(changed: Room): void {
    heard += 1
    room.value = changed
    problem.value = null
  }

  async function load(): Promise<void> {
    const asked = id()
    const before = heard
    loading.value = true
    try {
      const found = await getRoom(asked)
      if (asked !== id()) return
      if (before === heard) put(found)
    } catch (error) {
      if (asked === id()) problem.value = asProblem(error)
    } finally {
      loading.value = false
    }
  }

  const stops = [
    onTopic('room.changed', (record) => {
      const changed = record as Room
      if (changed.id === id()) put(changed)
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
  return { room, problem, loading, load, put }
}
