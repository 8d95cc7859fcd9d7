// Confluent Parallel Consumer, ordered by key: the same task and the same tally as the Python contenders.

import com.sun.management.OperatingSystemMXBean;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

public final class ParallelConsumer {
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final AtomicIntegerArray[] marks;
    private final long total;
    private final long handlerMs;
    private final AtomicLong calls = new AtomicLong();
    private final AtomicLong handled = new AtomicLong();
    private final CountDownLatch done = new CountDownLatch(1);
    private volatile long firstAtMs;
    private volatile long firstNs;
    private volatile long firstCpuNs;
    private volatile long lastNs;
    private volatile long lastCpuNs;

    private ParallelConsumer(String[] ends, long handlerMs) {
        this.handlerMs = handlerMs;
        marks = new AtomicIntegerArray[ends.length];
        long sum = 0;
        for (int i = 0; i < ends.length; i++) {
            int end = Integer.parseInt(ends[i]);
            marks[i] = new AtomicIntegerArray(end);
            sum += end;
        }
        total = sum;
    }

    private void handle(int partition, long offset) {
        if (handlerMs > 0) {
            try {
                Thread.sleep(handlerMs);
            } catch (InterruptedException interrupted) {
                throw new IllegalStateException(interrupted);
            }
        }
        if (calls.getAndIncrement() == 0) {
            firstAtMs = System.currentTimeMillis();
            firstNs = System.nanoTime() - handlerMs * 1_000_000;
            firstCpuNs = SYSTEM.getProcessCpuTime();
        }
        if (marks[partition].compareAndSet((int) offset, 0, 1) && handled.incrementAndGet() == total) {
            stamp();
            done.countDown();
        }
    }

    private void stamp() {
        lastNs = System.nanoTime();
        lastCpuNs = SYSTEM.getProcessCpuTime();
    }

    private String result() throws Exception {
        boolean complete = handled.get() == total;
        if (!complete) {
            stamp();
        }
        return String.format(
                Locale.ROOT,
                "{\"handled\": %d, \"calls\": %d, \"complete\": %b, \"first_at\": %.3f,"
                        + " \"seconds\": %.6f, \"cpu_s\": %.6f, \"peak_mib\": %.1f}",
                handled.get(), calls.get(), complete, firstAtMs / 1e3,
                (lastNs - firstNs) / 1e9, (lastCpuNs - firstCpuNs) / 1e9, peakMib());
    }

    private static double peakMib() throws Exception {
        Path status = Path.of("/proc/self/status");
        if (!Files.exists(status)) {
            return 0;
        }
        for (String line : Files.readAllLines(status)) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) / 1024.0;
            }
        }
        return 0;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> task = new HashMap<>();
        for (String argument : arguments) {
            String[] field = argument.split("=", 2);
            task.put(field[0], field[1]);
        }
        long handlerMs = Math.round(Double.parseDouble(task.get("handler_s")) * 1000);
        ParallelConsumer tally = new ParallelConsumer(task.get("ends").split(","), handlerMs);

        Properties client = new Properties();
        client.put("bootstrap.servers", task.get("bootstrap"));
        client.put("group.id", task.get("group"));
        client.put("enable.auto.commit", "false");
        client.put("auto.offset.reset", "earliest");
        var consumer = new KafkaConsumer<>(client, new StringDeserializer(), new ByteArrayDeserializer());
        var options = ParallelConsumerOptions.<String, byte[]>builder()
                .ordering(ProcessingOrder.KEY)
                .maxConcurrency(Integer.parseInt(task.get("concurrency")))
                .consumer(consumer)
                .build();
        var processor = ParallelStreamProcessor.<String, byte[]>createEosStreamProcessor(options);
        processor.subscribe(List.of(task.get("topic")));
        processor.poll(context -> {
            var record = context.getSingleConsumerRecord();
            tally.handle(record.partition(), record.offset());
        });

        tally.done.await((long) (Double.parseDouble(task.get("limit_s")) * 1000), TimeUnit.MILLISECONDS);
        Path result = Path.of(task.get("result"));
        Path fresh = Path.of(result + ".new");
        Files.writeString(fresh, tally.result());
        Files.move(fresh, result, StandardCopyOption.ATOMIC_MOVE);
        processor.close();
        System.exit(0);
    }
}
