// The cameras of the page: fetched by what is searched for, then kept up by each `camera.health`.
import { onScopeDispose, ref, shallowRef, watch } from 'vue'
import { listCameras } from '../api/cameras'
import { asProblem, type Problem } from '../api/problem'
import { cameraShape, matches, type Camera } from '../domain/camera'
import { refetched, withRecord } from './records'
import { onResync, onTopic } from './stream'

const MOST = 200
const TYPED_MS = 250
const shape = cameraShape(MOST)

export function useCameras() {
  const cameras = shallowRef<readonly Camera[]>([])
  const total = ref(0)
  const text = ref('')
  const loading = ref(true)
  const problem = shallowRef<Problem | null>(null)
  let asking: AbortController | null = null
  let typing: ReturnType<typeof setTimeout> | undefined
  /** What was told while a list was on its way may not be in it yet. */
  let meanwhile = new Set<string>()

  async function load(): Promise<void> {
    asking?.abort()
    const mine = (asking = new AbortController())
    meanwhile = new Set()
    loading.value = true
    try {
      const found = await listCameras(text.value.trim(), MOST, mine.signal)
      if (mine.signal.aborted) return
      cameras.value = refetched(shape, cameras.value.filter((one) => matches(one, text.value)), found.items, meanwhile)
      total.value = Math.max(found.total, cameras.value.length)
      problem.value = null
    } catch (error) {
      if (!mine.signal.aborted) problem.value = asProblem(error)
    } finally {
      if (!mine.signal.aborted) loading.value = false
    }
  }

  /** A camera as it is now. */
  function put(camera: Camera): void {
    if (camera.status === 'removed') return drop(camera.code)
    meanwhile.add(camera.code)
    const held = cameras.value.some((one) => one.code === camera.code)
    if (!held && !matches(camera, text.value)) return
    if (!held) total.value += 1
    cameras.value = withRecord(shape, cameras.value, camera)
  }

  function drop(code: string): void {
    const left = cameras.value.filter((one) => one.code !== code)
    if (left.length < cameras.value.length) total.value -= 1
    cameras.value = left
  }

  const stops = [onTopic('camera.health', (record) => put(record as Camera)), onResync(() => void load())]
  watch(text, () => {
    clearTimeout(typing)
    typing = setTimeout(() => void load(), TYPED_MS)
  })
  onScopeDispose(() => {
    clearTimeout(typing)
    asking?.abort()
    stops.forEach((stop) => stop())
  })
  void load()
  return { cameras, total, text, loading, problem, load, put, drop }
}
