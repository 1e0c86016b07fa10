// What the gateway is asked for again and again. Answers come late and overtake each other, so one question is out at a
// time, and an answer counts only while it is about what is looked at now: never the previous choice, never after the page.
import { getCurrentScope, onScopeDispose, readonly, ref, shallowRef } from 'vue'
import { asProblem, type Problem } from '../api/problem'

interface Question {
  about: string
  /** Asked for again meanwhile: the answer on its way may have been read too early. */
  again: boolean
  settled: Promise<void>
}

/** `about` names what is asked about, where that changes; `take` is given each answer that counts. */
export function useAsked<T>(ask: () => Promise<T>, take: (answer: T) => void, about: () => string = () => '') {
  const problem = shallowRef<Problem | null>(null)
  const busy = ref(false)
  let out: Question | null = null
  let gone = false

  /** Resolves once an answer to what was asked here or later has come; never rejects. */
  function load(): Promise<void> {
    if (out !== null && out.about === about()) {
      out.again = true
      return out.settled
    }
    return renew()
  }

  /** After a change made here: what is on its way shows the time before, and is not taken. */
  function renew(): Promise<void> {
    const question: Question = { about: about(), again: false, settled: Promise.resolve() }
    out = question
    question.settled = settle(question)
    return question.settled
  }

  async function settle(question: Question): Promise<void> {
    busy.value = true
    const counts = (): boolean => !gone && out === question && question.about === about()
    do {
      question.again = false
      try {
        const answer = await ask()
        if (!counts()) break
        take(answer)
        problem.value = null
      } catch (error) {
        if (!counts()) break
        problem.value = asProblem(error)
      }
    } while (question.again)
    if (out !== question) return
    out = null
    busy.value = false
  }

  if (getCurrentScope()) onScopeDispose(() => (gone = true))
  return { load, renew, problem, busy: readonly(busy) }
}

/** Once more `everyMs` after each answer, for as long as the component stands; `load` never rejects. */
export function useAgain(load: () => Promise<unknown>, everyMs: number): void {
  let gone = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const wait = (): void => {
    timer = setTimeout(() => void load().finally(() => gone || wait()), everyMs)
  }
  wait()
  onScopeDispose(() => {
    gone = true
    clearTimeout(timer)
  })
}
