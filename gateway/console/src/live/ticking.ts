// The gateway's time, once a second, for all countdowns of the page together.
import { onScopeDispose, readonly, ref, type Ref } from 'vue'
import { serverNow } from './server_clock'

const now = ref(serverNow())
let users = 0
let timer: ReturnType<typeof setInterval> | null = null

/** Ticks while something that is on the page uses it. */
export function useServerNow(): Readonly<Ref<number>> {
  users += 1
  now.value = serverNow()
  timer ??= setInterval(() => (now.value = serverNow()), 1000)
  onScopeDispose(() => {
    users -= 1
    if (users > 0 || timer === null) return
    clearInterval(timer)
    timer = null
  })
  return readonly(now)
}
