// The mode that holds, for the head of every page: fetched at each connection and each change, and when one ends.
import { computed, shallowRef } from 'vue'
import { readMode } from '../api/mode'
import type { Mode } from '../domain/mode'
import { currentUser, may, onSignedOut } from '../session/session'
import { useAsked } from './asked'
import { serverNow } from './server_clock'
import { onResync, onTopic } from './stream'

const AGAIN_MS = 5_000
const LONGEST_MS = 3_600_000
const held = shallowRef<Mode | null>(null)
let timer: ReturnType<typeof setTimeout> | undefined

export const mode = computed(() => held.value)

const { load, problem } = useAsked(
  readMode,
  (found) => (held.value = found),
  () => currentUser.value?.username ?? '',
)

export async function loadMode(): Promise<void> {
  if (!may('mode.read')) return
  await load()
  clearTimeout(timer)
  if (!may('mode.read')) return
  const wait = problem.value === null ? untilOneEnds() : AGAIN_MS
  if (wait !== null) timer = setTimeout(() => void loadMode(), wait)
}

/** A switch ends by its own time: the page asks anew just after it. */
function untilOneEnds(): number | null {
  const ends = (held.value?.switches ?? []).map((one) => Date.parse(one.until) - serverNow())
  return ends.length === 0 ? null : Math.min(Math.max(1_000, Math.min(...ends) + 500), LONGEST_MS)
}

onTopic('mode.changed', () => void loadMode())
onResync(() => void loadMode())
onSignedOut(() => {
  clearTimeout(timer)
  held.value = null
})
