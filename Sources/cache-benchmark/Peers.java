import com.google.common.cache.CacheBuilder;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;

/** Guava and Caffeine under the load of cache-benchmark, with the same keys in the same order. */
public final class Peers {
    static final double EXPONENT = 0.99;
    static final int BATCH = 4096;

    /** What the two have in common here. */
    interface Peer {
        Long get(String key);

        void put(String key, Long value);
    }

    static Peer make(String name, long size, int capacity) {
        if (name.equals("guava")) {
            com.google.common.cache.Cache<String, Long> cache =
                    CacheBuilder.newBuilder()
                            .concurrencyLevel(64)
                            .initialCapacity(capacity)
                            .maximumSize(size)
                            .build();
            return new Peer() {
                public Long get(String key) {
                    return cache.getIfPresent(key);
                }

                public void put(String key, Long value) {
                    cache.put(key, value);
                }
            };
        }
        com.github.benmanes.caffeine.cache.Cache<String, Long> cache =
                Caffeine.newBuilder().initialCapacity(capacity).maximumSize(size).build();
        return new Peer() {
            public Long get(String key) {
                return cache.getIfPresent(key);
            }

            public void put(String key, Long value) {
                cache.put(key, value);
            }
        };
    }

    /** https://prng.di.unimi.it/splitmix64.c */
    static final class SplitMix64 {
        long state;

        SplitMix64(long state) {
            this.state = state;
        }

        long next() {
            state += 0x9e3779b97f4a7c15L;
            long mixed = state;
            mixed = (mixed ^ (mixed >>> 30)) * 0xbf58476d1ce4e5b9L;
            mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
            return mixed ^ (mixed >>> 31);
        }

        double unit() {
            return (next() >>> 11) * 0x1p-53;
        }
    }

    static String id(SplitMix64 random) {
        return String.format("%016x%016x", random.next(), random.next());
    }

    static double[] cumulative(int count) {
        double[] sums = new double[count];
        double sum = 0;
        for (int rank = 1; rank <= count; rank++) {
            sum += 1 / Math.pow(rank, EXPONENT);
            sums[rank - 1] = sum;
        }
        for (int rank = 0; rank < count; rank++) sums[rank] /= sum;
        return sums;
    }

    static int rank(double[] cumulative, SplitMix64 random) {
        double drawn = random.unit();
        int low = 0, high = cumulative.length - 1;
        while (low < high) {
            int middle = (low + high) / 2;
            if (cumulative[middle] < drawn) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    static String[] ids;
    static String[] order;

    static void makeWorkload(int count) {
        SplitMix64 random = new SplitMix64(42);
        ids = new String[count];
        for (int i = 0; i < count; i++) ids[i] = id(random);
        double[] cumulative = cumulative(count);
        int[] places = new int[count];
        for (int i = 0; i < count; i++) places[i] = i;
        for (int i = count - 1; i > 0; i--) {
            int j = (int) Long.remainderUnsigned(random.next(), i + 1);
            int place = places[i];
            places[i] = places[j];
            places[j] = place;
        }
        order = new String[2 * count];
        for (int i = 0; i < order.length; i++) order[i] = ids[places[rank(cumulative, random)]];
    }

    static long sink;

    static double measure(Peer peer, String mode, int threads, double seconds) throws Exception {
        AtomicBoolean isOver = new AtomicBoolean();
        LongAdder total = new LongAdder();
        CountDownLatch ended = new CountDownLatch(threads);
        long begin = System.nanoTime();
        for (int number = 0; number < threads; number++) {
            int first = number * 7919;
            new Thread(
                            () -> {
                                String[] keys = order;
                                int mask = keys.length - 1;
                                long done = 0, sum = 0;
                                int step = first;
                                while (!isOver.get()) {
                                    if (mode.equals("read")) {
                                        for (int i = 0; i < BATCH; i++) sum += peer.get(keys[step++ & mask]);
                                    } else if (mode.equals("write")) {
                                        for (int i = 0; i < BATCH; i++, step++) peer.put(keys[step & mask], (long) step);
                                    } else {
                                        for (int i = 0; i < BATCH; i++, step++) {
                                            if ((step & 3) == 3) peer.put(keys[step & mask], (long) step);
                                            else sum += peer.get(keys[step & mask]);
                                        }
                                    }
                                    done += BATCH;
                                }
                                sink += sum;
                                total.add(done);
                                ended.countDown();
                            })
                    .start();
        }
        Thread.sleep((long) (seconds * 1000));
        isOver.set(true);
        ended.await();
        return total.sum() / ((System.nanoTime() - begin) / 1e9) / 1e6;
    }

    static void throughput(double seconds) throws Exception {
        makeWorkload(16_384);
        for (String name : new String[] {"guava", "caffeine"}) {
            for (String mode : new String[] {"read", "mixed", "write"}) {
                for (int threads : new int[] {1, 2, 8}) {
                    Peer peer = make(name, 2L * ids.length, ids.length);
                    for (int i = 0; i < ids.length; i++) peer.put(ids[i], (long) i);
                    measure(peer, mode, threads, Math.max(1, seconds));
                    System.out.printf("%s %s %d %.2f%n", name, mode, threads, measure(peer, mode, threads, seconds));
                }
            }
        }
    }

    static void memory(int count) throws Exception {
        for (String name : new String[] {"guava", "caffeine"}) {
            long before = used();
            Peer peer = make(name, 2L * count, 16);
            SplitMix64 random = new SplitMix64(42);
            for (int i = 0; i < count; i++) peer.put(id(random), 1_000_000L + i);
            long after = used();
            System.out.printf("%s %.1f%n", name, (double) (after - before) / count);
            if (peer.get("") != null) return;
        }
    }

    static long used() throws Exception {
        for (int i = 0; i < 4; i++) {
            System.gc();
            Thread.sleep(100);
        }
        Runtime runtime = Runtime.getRuntime();
        return runtime.totalMemory() - runtime.freeMemory();
    }

    /** The share of requests that hit: Zipf over ten times as many keys as fit, and a loop over a few more than fit. */
    static void hitRate(int size, int requests) {
        for (String name : new String[] {"guava", "caffeine"}) {
            int keys = 10 * size;
            double[] cumulative = cumulative(keys);
            SplitMix64 random = new SplitMix64(7);
            Peer peer = make(name, size, 16);
            int hits = 0;
            for (int i = 0; i < requests; i++) hits += request(peer, rank(cumulative, random));
            System.out.printf("%s zipf %.4f%n", name, (double) hits / requests);

            peer = make(name, size, 16);
            hits = 0;
            int length = size + size / 4;
            for (int i = 0; i < requests; i++) hits += request(peer, i % length);
            System.out.printf("%s loop %.4f%n", name, (double) hits / requests);
        }
    }

    static int request(Peer peer, int number) {
        String key = Integer.toString(number);
        if (peer.get(key) != null) return 1;
        peer.put(key, (long) number);
        return 0;
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "throughput":
                throughput(Double.parseDouble(arguments[1]));
                break;
            case "memory":
                memory(Integer.parseInt(arguments[1]));
                break;
            default:
                hitRate(Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]));
        }
        System.exit(0);
    }
}
