// kill -9 between and within commits: whatever commit() returned for is there afterwards.
#include "unit/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

#include <sys/wait.h>
#include <unistd.h>

namespace portd::store::test {
namespace {

constexpr std::int64_t leases_a_commit = 3;

std::vector<model::Lease> batch(std::int64_t number) {
    std::vector<model::Lease> leases;
    for (std::int64_t i = 0; i < leases_a_commit; ++i) {
        const std::int64_t serial = number * leases_a_commit + i + 1;
        leases.push_back(make_lease(serial, 40000, serial * 10));
        add_holder(leases.back(), make_process(static_cast<std::int32_t>(serial)));
    }
    return leases;
}

[[noreturn]] void commit_until_killed(const std::filesystem::path &directory, int acknowledge) {
    try {
        Writer writer(directory, first_boot);
        std::int64_t number = (writer.next_serial() - 1) / leases_a_commit;
        for (;; ++number) {
            const std::vector<model::Lease> leases = batch(number);
            writer.commit({leases, Watched{CaptureTier::sock_diag, at_us(0), at_us(number)}, {}});
            if (write(acknowledge, &number, sizeof number) != sizeof number)
                _exit(2);
        }
    } catch (const std::exception &) {
        _exit(3);
    }
}

// Lets a child commit some batches, and kills it; the number of the last one it acknowledged.
std::int64_t run_and_kill(const std::filesystem::path &directory, int batches) {
    int ends[2];
    if (pipe(ends) != 0)
        std::abort();
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        commit_until_killed(directory, ends[1]);
    }
    close(ends[1]);
    std::int64_t last = -1;
    std::int64_t number = -1;
    for (int i = 0; i < batches && read(ends[0], &number, sizeof number) == sizeof number; ++i)
        last = number;
    kill(child, SIGKILL);
    while (read(ends[0], &number, sizeof number) == sizeof number)
        last = number; // acknowledged before the signal took effect
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    return last;
}

TEST(Durability, EverythingAcknowledgedSurvivesSigkill) {
    TemporaryDirectory directory;
    for (const int batches : {1, 2, 17, 150}) {
        const std::int64_t last = run_and_kill(directory.path(), batches);
        ASSERT_GE(last, 0);
        Writer writer(directory.path(), first_boot);
        EXPECT_TRUE(writer.take_notices().empty());
        const std::vector<model::Lease> leases = writer.open_leases();
        // The batch that was being written when the signal came is there whole, or not at all.
        ASSERT_EQ(leases.size() % leases_a_commit, 0u);
        const auto found = static_cast<std::int64_t>(leases.size());
        EXPECT_GE(found, (last + 1) * leases_a_commit);
        EXPECT_LE(found, (last + 2) * leases_a_commit);
        ASSERT_TRUE(writer.watched_until());
        EXPECT_EQ(to_us(*writer.watched_until()), found / leases_a_commit - 1);
        for (std::size_t i = 0; i < leases.size(); ++i) {
            ASSERT_EQ(leases[i].serial, static_cast<std::int64_t>(i) + 1);
            ASSERT_EQ(leases[i].holders.size(), 1u);
            ASSERT_EQ(leases[i].holders[0].process->key.pid, leases[i].serial);
        }
    }
}

TEST(Durability, TheLockOfADeadWriterIsFree) {
    TemporaryDirectory directory;
    run_and_kill(directory.path(), 1);
    EXPECT_NO_THROW(Writer(directory.path(), first_boot));
}

TEST(RingMark, IsThatOfTheLastBatchOfThisBoot) {
    const TemporaryDirectory directory;
    const model::RingMark first{.generation = 77, .position = 4096, .frame = 1};
    const model::RingMark second{.generation = 77, .position = 8192, .frame = 2};
    {
        Writer writer(directory.path(), first_boot);
        EXPECT_EQ(writer.ring_mark(), std::nullopt);
        writer.commit({.leases = {}, .watched = {}, .gaps = {}, .ring_mark = first});
        EXPECT_EQ(writer.ring_mark(), first);
        writer.commit({.leases = batch(0), .watched = {}, .gaps = {}, .ring_mark = second});
        commit(writer, batch(1));
    }
    {
        Writer again(directory.path(), first_boot);
        EXPECT_EQ(again.ring_mark(), second);
    }
    Writer in_another_boot(directory.path(), second_boot);
    EXPECT_EQ(in_another_boot.ring_mark(), std::nullopt);
}

TEST(RingMark, IsNotStoredWithoutItsLeases) {
    const TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    const model::RingMark mark{.generation = 77, .position = 4096, .frame = 1};
    auto leases = batch(0);
    leases.back().serial = 0;
    EXPECT_ANY_THROW(
        writer.commit({.leases = leases, .watched = {}, .gaps = {}, .ring_mark = mark}));
    EXPECT_EQ(writer.ring_mark(), std::nullopt);
}

TEST(Leases, AreReadBackBySerialOpenOrNot) {
    const TemporaryDirectory directory;
    Writer writer(directory.path(), first_boot);
    commit(writer, {make_lease(1, 40000, 10), freed(make_lease(2, 40001, 20), 30)});
    const std::vector<std::int64_t> serials = {1, 2, 3};
    const auto leases = writer.leases(serials);
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_TRUE(leases[0].is_open());
    EXPECT_EQ(leases[1].serial, 2);
    EXPECT_FALSE(leases[1].is_open());
}

} // namespace
} // namespace portd::store::test
