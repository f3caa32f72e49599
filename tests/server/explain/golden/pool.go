package pool

import "errors"

// ErrClosed says that the pool takes no more work.
var ErrClosed = errors.New("closed")

// Pool runs tasks.
type Pool struct {
	tasks  chan func()
	closed bool
}

// Submit hands a task to the pool.
func (p *Pool) Submit(task func()) (bool, error) {
	if p.closed {
		return false, ErrClosed
	}
	select {
	case p.tasks <- task:
		return true, nil
	default:
		return p.later(task), nil
	}
}

func (p *Pool) later(task func()) bool {
	go task()
	return false
}
