// The mode that holds, for the head of every page: fetched at each connection and each change, and when one ends.
import { computed, shallowRef } from 'vue'
import { readMode } from '../api/mode'
import type { Mode } from '../domain/mode'
import { may, onSignedOut } from '../session/session'
import { onResync, onTopic } from './stream'

const AGAIN_MS = 5_000
const held = shallowRef<Mode | null>(null)
let timer: ReturnType<typeof setTimeout> | undefined

export const mode = computed(() => held.value)

export async function loadMode(): Promise<void> {
  if (!may('mode.read')) return
  clearTimeout(timer)
  try {
    held.value = await readMode()
    // A switch ends by its own time: the page asks anew just after it.
    const ends = held.value.switches.map((one) => Date.parse(one.until) - Date.now())
    if (ends.length > 0) timer = setTimeout(() => void loadMode(), Math.min(Math.max(1_000, Math.min(...ends) + 500), 3_600_000))
  } catch {
    timer = setTimeout(() => void loadMode(), AGAIN_MS)
  }
}

onTopic('mode.changed', () => void loadMode())
onResync(() => void loadMode())
onSignedOut(() => {
  clearTimeout(timer)
  held.value = null
})
