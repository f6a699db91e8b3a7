// Command sink is what the product's processing into PostgreSQL is measured against: a franz-go consumer group that inserts
// what it reads, as somebody writes it in Go who wants it fast.
//
// Partitions are shared out to two connections. Each inserts up to 2,000 records a statement, a transaction of its own: the
// records go to PostgreSQL as they stand in the topic, as one JSON array that json_to_recordset takes apart, and an id that is
// there already is passed over (ON CONFLICT DO NOTHING). Offsets are committed afterwards by franz-go, in the background.
//
// It leaves out: looking into the records (one that is no event ends it), comparing what has the same id, the hash of the
// content, counting duplicates, rollups, Redis, the inbox, the ledger, and progress in the same transaction: a crash between
// insert and commit reads records again, which ON CONFLICT makes harmless here and would not for anything that is counted.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	connections = 2
	batchMax    = 2000
	// A batch that is not full waits no longer than this for more.
	partialWait = 20 * time.Millisecond
)

// What is printed when all records are done.
type report struct {
	// Settled after the batch that ended the warm-up, and the seconds that it took.
	Records    int64   `json:"records"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
}

func main() {
	brokers := flag.String("brokers", "", "host:port of a broker")
	topic := flag.String("topic", "", "what is read, from its beginning")
	group := flag.String("group", "", "consumer group")
	table := flag.String("table", "", "where rows go: a table like the product's events; DATABASE_URL says in which database")
	records := flag.Int64("records", 0, "ends once so many are settled")
	warmUp := flag.Int64("warm-up", 0, "the clock starts once so many are")
	flag.Parse()
	ctx := context.Background()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*brokers),
		kgo.ConsumeTopics(*topic),
		kgo.ConsumerGroup(*group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitMarks(),
	)
	if err != nil {
		log.Fatal(err)
	}
	progress := &progress{wanted: *records, warmUp: *warmUp, done: make(chan struct{})}
	lanes := make([]*lane, connections)
	for i := range lanes {
		lanes[i] = openLane(ctx, *table, client, progress)
	}
	go read(ctx, client, lanes)
	<-progress.done
	// Of each lane's last batch.
	if err := client.CommitMarkedOffsets(ctx); err != nil {
		log.Fatal(err)
	}
	client.Close()
	if err := json.NewEncoder(os.Stdout).Encode(progress.report()); err != nil {
		log.Fatal(err)
	}
}

// read deals the records out by partition: those of one keep their order, and no two lanes ever write one id of a partition.
func read(ctx context.Context, client *kgo.Client, lanes []*lane) {
	for {
		waiting := ctx
		cancel := func() {}
		if lanesWait(lanes) {
			waiting, cancel = context.WithTimeout(ctx, partialWait)
		}
		fetches := client.PollRecords(waiting, batchMax)
		cancel()
		if fetches.IsClientClosed() {
			return
		}
		for _, failure := range fetches.Errors() {
			if !errors.Is(failure.Err, context.DeadlineExceeded) {
				log.Fatal(failure.Err)
			}
		}
		fetches.EachRecord(func(record *kgo.Record) {
			lanes[int(record.Partition)%len(lanes)].add(record)
		})
		// Nothing more has arrived: what there is goes, full or not.
		if fetches.NumRecords() < batchMax {
			for _, lane := range lanes {
				lane.offer()
			}
		}
	}
}

func lanesWait(lanes []*lane) bool {
	for _, lane := range lanes {
		if len(lane.pending) > 0 {
			return true
		}
	}
	return false
}

type lane struct {
	pending []*kgo.Record
	// One batch is written while the next one waits.
	batches chan []*kgo.Record
}

func openLane(ctx context.Context, table string, client *kgo.Client, progress *progress) *lane {
	connection, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	lane := &lane{batches: make(chan []*kgo.Record, 1)}
	go func() {
		for batch := range lane.batches {
			if err := insert(ctx, connection, table, batch); err != nil {
				log.Fatal(err)
			}
			client.MarkCommitRecords(batch...)
			progress.add(len(batch))
		}
	}()
	return lane
}

func (l *lane) add(record *kgo.Record) {
	if l.pending == nil {
		l.pending = make([]*kgo.Record, 0, batchMax)
	}
	l.pending = append(l.pending, record)
	if len(l.pending) == batchMax {
		l.batches <- l.pending
		l.pending = nil
	}
}

// offer hands over a batch that is not full if nothing waits before it.
func (l *lane) offer() {
	if len(l.pending) == 0 {
		return
	}
	select {
	case l.batches <- l.pending:
		l.pending = nil
	default:
	}
}

func insert(ctx context.Context, connection *pgx.Conn, table string, batch []*kgo.Record) error {
	bytes := 2
	for _, record := range batch {
		bytes += len(record.Value) + 1
	}
	values := make([]byte, 0, bytes)
	partitions := make([]int32, len(batch))
	offsets := make([]int64, len(batch))
	separator := byte('[')
	for i, record := range batch {
		values = append(append(values, separator), record.Value...)
		separator = ','
		partitions[i] = record.Partition
		offsets[i] = record.Offset
	}
	values = append(values, ']')
	_, err := connection.Exec(ctx, `
		INSERT INTO `+pgx.Identifier{table}.Sanitize()+` (
			id, received_at, stored_at, log_offset, log_no, partition, counted_as_other, event_type,
			client_id, source, key, occurred_at, redrive_of, content_hash, payload
		)
		SELECT
			id, (date_part('epoch', received_at) * 1000)::bigint, $4, log_offset, 1, partition, false, event_type,
			client_id, source, key, occurred_at, redrive_of, '', payload
		FROM ROWS FROM (
			json_to_recordset($1::json) AS (
				id uuid, received_at timestamptz, event_type text,
				client_id text, source text, key text, occurred_at text, redrive_of text, payload jsonb
			),
			unnest($2::integer[]),
			unnest($3::bigint[])
		) AS record (
			id, received_at, event_type, client_id, source, key, occurred_at, redrive_of, payload, partition, log_offset
		)
		ON CONFLICT DO NOTHING`,
		values, partitions, offsets, time.Now().UnixMilli())
	return err
}

type progress struct {
	wanted int64
	warmUp int64
	done   chan struct{}

	settled atomic.Int64
	start   sync.Once
	// Set once, by the batch that ends the warm-up.
	first      int64
	startedAt  time.Time
	cpuAtStart float64
	endedAt    time.Time
	cpuAtEnd   float64
}

func (p *progress) add(records int) {
	settled := p.settled.Add(int64(records))
	if settled >= p.warmUp {
		p.start.Do(func() {
			p.first, p.startedAt, p.cpuAtStart = settled, time.Now(), cpuSeconds()
		})
	}
	if settled == p.wanted {
		p.endedAt, p.cpuAtEnd = time.Now(), cpuSeconds()
		close(p.done)
	}
}

func (p *progress) report() report {
	return report{
		Records:    p.wanted - p.first,
		Seconds:    p.endedAt.Sub(p.startedAt).Seconds(),
		CPUSeconds: p.cpuAtEnd - p.cpuAtStart,
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	seconds := func(time syscall.Timeval) float64 { return float64(time.Sec) + float64(time.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}
