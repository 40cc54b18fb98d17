// parallel_for: exact partitions, threads held up, nesting, callers at the same time, cores of sleeping workers, fork.
// Meant to run under a thread sanitizer too.
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

// Every index exactly once, in ranges of at most `grain`, and no slot on two threads at a time.
void partition(int threads, std::size_t count, std::size_t grain) {
    std::vector<std::atomic<int>> seen(count), busy(static_cast<std::size_t>(threads));
    sbn::parallel_for(threads, count, grain, [&](int slot, std::size_t begin, std::size_t end) {
        require(slot >= 0 && slot < threads, "slot number");
        require(begin < end && end - begin <= grain, "size of a range");
        require(busy[static_cast<std::size_t>(slot)].exchange(1) == 0, "a slot on two threads");
        for (std::size_t i = begin; i < end; ++i) ++seen[i];
        busy[static_cast<std::size_t>(slot)] = 0;
    });
    for (const auto& times : seen) require(times == 1, "an index was not visited exactly once");
}

long sum_to(int threads, std::size_t count) {
    std::atomic<long> total{0};
    sbn::parallel_for(threads, count, 3, [&](int, std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) total += static_cast<long>(i);
    });
    return total;
}

// A thread that is held up in its first range leaves all the others to the one that is not.
void late_thread() {
    using Clock = std::chrono::steady_clock;
    std::atomic<int> begun{0}, done{0};
    std::atomic<bool> held{false};
    sbn::parallel_for(2, 16, 1, [&](int, std::size_t, std::size_t) {
        ++begun;
        while (begun < 2) std::this_thread::yield();  // both threads are there
        if (!held.exchange(true)) {
            const auto end = Clock::now() + std::chrono::seconds(10);
            while (done < 15 && Clock::now() < end) std::this_thread::yield();
            require(done == 15, "ranges waited for a thread that was held up");
        }
        ++done;
    });
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
        sbn::parallel_for(2, 2, 1, [&](int, std::size_t, std::size_t) {
            ++begun;
            while (begun < 2) std::this_thread::yield();  // the caller must not do both ranges
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
        for (const std::size_t count : {0u, 1u, 2u, 3u, 6u, 7u, 8u, 1000u})
            for (const std::size_t grain : {1u, 2u, 5u, 64u, 5000u}) partition(threads, count, grain);
    late_thread();

    std::atomic<long> nested{0};
    sbn::parallel_for(3, 6, 1, [&](int, std::size_t begin, std::size_t end) {
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
