import { count, session } from 'millrace'
import { windowed } from './windowed.ts'

export default windowed('sessions', session('10s'), { count: count() })
