// A trial of rules, followed until it ends: begun here, or found running, for one runs at a time, and whoever closes its
// window, or loses the line for a while, finds it again: once it has ended, too, while the gateway keeps it.
import { onScopeDispose, readonly, ref, shallowReadonly, shallowRef } from 'vue'
import { getTrial, listTrials, stopTrial, type Trial, type TrialListed } from '../api/detection'
import { asProblem, type Problem } from '../api/problem'
import { waitBefore } from '../media/backoff'
import { useAgain } from './asked'

const AGAIN_MS = 1000
const LOOK_MS = 5000
/** Questions in a row that may fail, some five minutes of them. */
export const MOST_FAILURES = 40

/** Refused for good: it is gone, or not ours to see. Anything else may pass. */
function forGood({ status }: Problem): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429
}

/** `code`: the camera whose trials are shown here. */
export function useTrial(code: () => string) {
  const trial = shallowRef<Trial | null>(null)
  /** The one that runs and is not shown here. */
  const elsewhere = shallowRef<TrialListed | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const busy = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  let failures = 0
  let gone = false
  /** Nothing was shown here yet: the camera's last trial is, with what came of it. */
  let fresh = true

  async function begin(ask: () => Promise<Trial>): Promise<void> {
    if (busy.value) return
    busy.value = true
    problem.value = null
    fresh = false
    try {
      // Before a film is brought for nothing.
      await find()
      if (gone || elsewhere.value !== null) return void (busy.value = false)
      trial.value = null
      const begun = await ask()
      if (gone) return
      trial.value = begun
      failures = 0
      again(AGAIN_MS)
    } catch (error) {
      problem.value = asProblem(error)
      busy.value = false
      if (problem.value.reason === 'trial_running') void look()
    }
  }

  function again(ms: number): void {
    timer = setTimeout(() => void follow(), ms)
  }

  async function follow(): Promise<void> {
    const followed = trial.value
    if (followed === null) return
    try {
      const told = await getTrial(followed.id)
      if (gone) return
      trial.value = told
      problem.value = null
      failures = 0
    } catch (error) {
      if (gone) return
      problem.value = asProblem(error)
      failures += 1
      if (forGood(problem.value)) trial.value = null
      if (trial.value === null || failures >= MOST_FAILURES) return void (busy.value = false)
      return again(waitBefore(failures, Math.random()))
    }
    if (trial.value.state === 'running') again(AGAIN_MS)
    else busy.value = false
  }

  /** Follow one that runs already, from here on or once more; of one that has ended show what came of it. */
  function pickUp(found: TrialListed): void {
    clearTimeout(timer)
    trial.value = { ...found, result: null }
    if (elsewhere.value?.id === found.id) elsewhere.value = null
    busy.value = true
    fresh = false
    failures = 0
    void follow()
  }

  /** The last ones, the newest first. */
  async function find(): Promise<TrialListed[]> {
    const listed = await listTrials()
    const running = listed.find((one) => one.state === 'running') ?? null
    elsewhere.value = running !== null && running.id !== trial.value?.id ? running : null
    return listed
  }

  /** Whether one runs that is not shown here; this camera's is, unless another's result is being read. */
  async function look(): Promise<void> {
    if (busy.value) return
    try {
      const last = (await find()).find((one) => one.camera_code === code())
      if (gone || busy.value) return
      const ours = trial.value === null || trial.value.id === last?.id
      if (last !== undefined && (last.state === 'running' ? ours : fresh)) pickUp(last)
      fresh = false
    } catch {
      // It is asked again, and before a trial begins.
    }
  }

  /** What came of it is told by the next question. */
  async function stop(id: string): Promise<void> {
    try {
      await stopTrial(id)
    } catch (error) {
      problem.value = asProblem(error)
    }
    await look()
  }

  void look()
  useAgain(look, LOOK_MS)
  onScopeDispose(() => {
    gone = true
    clearTimeout(timer)
  })
  return {
    trial: shallowReadonly(trial),
    elsewhere: shallowReadonly(elsewhere),
    problem: shallowReadonly(problem),
    busy: readonly(busy),
    begin,
    pickUp,
    stop,
  }
}
