// parallel_for: exact partitions, nesting, callers at the same time, cores of sleeping workers, fork. Meant to run
// under a thread sanitizer too.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/parallel.h"

namespace {

void require(bool holds, const char* what) {
    if (holds) return;
    std::printf("failed: %s\n", what);
    std::exit(1);
}

// Every index exactly once, in parts of nearly equal size.
void partition(int threads, std::size_t count) {
    std::vector<std::atomic<int>> seen(count);
    std::atomic<int> parts{0};
    sbn::parallel_for(threads, count, [&](int part, std::size_t begin, std::size_t end) {
        require(part >= 0 && part < threads, "part number");
        require(end - begin >= count / static_cast<std::size_t>(threads) &&
                    end - begin <= count / static_cast<std::size_t>(threads) + 1,
                "part size");
        for (std::size_t i = begin; i < end; ++i) ++seen[i];
        ++parts;
    });
    for (const auto& times : seen) require(times == 1, "an index was not visited exactly once");
    require(static_cast<std::size_t>(parts) == std::min(count, static_cast<std::size_t>(threads)), "number of parts");
}

long sum_to(int threads, std::size_t count) {
    std::atomic<long> total{0};
    sbn::parallel_for(threads, count, [&](int, std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) total += static_cast<long>(i);
    });
    return total;
}

// Workers that had gone to sleep do not wake on the core of their caller, wherever that is.
void off_the_callers_core() {
    cpu_set_t allowed;
    require(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "affinity of the caller");
    if (CPU_COUNT(&allowed) < 2) return;  // there is no other core
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (!CPU_ISSET(core, &allowed)) continue;
        cpu_set_t here;
        CPU_ZERO(&here);
        CPU_SET(core, &here);
        require(sched_setaffinity(0, sizeof here, &here) == 0, "moving the caller");
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        const auto caller = std::this_thread::get_id();
        std::atomic<int> begun{0};
        std::atomic<bool> off{false};
        sbn::parallel_for(2, 2, [&](int, std::size_t, std::size_t) {
            ++begun;
            while (begun < 2) std::this_thread::yield();  // the caller must not do both parts
            cpu_set_t mine;
            if (std::this_thread::get_id() != caller)
                off = sched_getaffinity(0, sizeof mine, &mine) == 0 && !CPU_ISSET(core, &mine);
        });
        require(off, "a worker may run on the core of its caller");
    }
    require(sched_setaffinity(0, sizeof allowed, &allowed) == 0, "giving the caller its cores back");
}

}  // namespace

int main(int argc, char**) {
    for (const int threads : {1, 2, 3, 7})
        for (const std::size_t count : {0u, 1u, 2u, 3u, 6u, 7u, 8u, 1000u}) partition(threads, count);

    std::atomic<long> nested{0};
    sbn::parallel_for(3, 6, [&](int, std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) nested += sum_to(3, 10);
    });
    require(nested == 6 * 45, "nested use");

    std::vector<std::thread> callers;
    std::atomic<int> right{0};
    for (int i = 0; i < 4; ++i)
        callers.emplace_back([&] {
            for (int round = 0; round < 200; ++round) right += sum_to(3, 100) == 4950;
        });
    for (auto& caller : callers) caller.join();
    require(right == 800, "callers at the same time");
    off_the_callers_core();

    if (argc > 1) {  // thread sanitizers do not follow forks of threaded programs
        std::printf("parallel_for: ok without fork\n");
        return 0;
    }
    const pid_t child = fork();
    if (child == 0) _exit(sum_to(3, 100) == 4950 ? 0 : 1);
    int status = 1;
    require(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
            "use in a forked child");
    require(sum_to(3, 100) == 4950, "use after a fork");
    std::printf("parallel_for: ok\n");
    return 0;
}
