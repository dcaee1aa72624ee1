#include "capture/process_reader.hpp"
#include "processes.hpp"
#include "system/clock.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace portd::capture {
namespace {

using testing::Child;
using testing::Signal;
using testing::TemporaryDirectory;

std::string stat_text(const std::string &pid, const std::string &command, const std::string &parent,
                      const std::string &started) {
    return pid + " (" + command + ") S " + parent + " 1 1 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 3 0 " +
           started + " 1000 200 18446744073709551615 94000 95000 140000 0 0\n";
}

TEST(ParseStat, ReadsTheFieldsAfterAnyName) {
    for (const std::string name : {"cat", "a b", ")", "a) S 9 (b", "(", "", "1 (x) R 2"}) {
        const auto stat = parse_stat(stat_text("12", name, "7", "4711"));
        ASSERT_TRUE(stat) << name;
        EXPECT_EQ(stat->pid, 12);
        EXPECT_EQ(stat->command, name);
        EXPECT_EQ(stat->state, 'S');
        EXPECT_EQ(stat->parent, 7);
        EXPECT_EQ(stat->threads, 3);
        EXPECT_EQ(stat->started_at_ticks, 4711U);
        EXPECT_EQ(stat->start_code, 94000U);
        EXPECT_EQ(stat->start_stack, 140000U);
    }
    EXPECT_EQ(parse_stat(stat_text("1", R"(a\nb\\n)", "0", "1"))->command, "a\nb\\n");
}

TEST(ParseStat, RefusesWhatIsCutOrNoNumber) {
    const auto whole = stat_text("12", "cat", "7", "4711");
    const auto last_needed = whole.find(" 140000") + 1;
    for (std::size_t length = 0; length < last_needed; ++length)
        EXPECT_FALSE(parse_stat(whole.substr(0, length))) << length;
    EXPECT_FALSE(parse_stat(stat_text("x", "cat", "7", "4711")));
    EXPECT_FALSE(parse_stat(stat_text("12", "cat", "7", "-1")));
    EXPECT_FALSE(parse_stat(stat_text("12", "cat", "7", "18446744073709551615")));
    EXPECT_FALSE(parse_stat(stat_text("12", "cat", "99999999999", "1")));
}

TEST(ParseStatus, TakesTheEffectiveIds) {
    EXPECT_EQ(parse_status("Name:\tUid:\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"),
              (ProcessOwner{2, 6}));
    for (const auto *text : {"", "Uid:\t1\t2\t3\t4\n", "Name:\tx\nUid:\t1\nGid:\t5\t6\n",
                             "Name:\tx\nUid:\t1\tx\nGid:\t5\t6\n"})
        EXPECT_FALSE(parse_status(text)) << text;
}

TEST(ParseLoginUid, IsAbsentWhereNoneWasSet) {
    EXPECT_EQ(parse_login_uid("1000"), 1000U);
    EXPECT_EQ(parse_login_uid("0\n"), 0U);
    for (const auto *text : {"4294967295", "", "-1", "x"})
        EXPECT_FALSE(parse_login_uid(text)) << text;
}

TEST(SplitArguments, EndsWithTheLastThatIsNotEmpty) {
    using Words = std::vector<std::string_view>;
    using namespace std::string_view_literals;
    EXPECT_EQ(split_arguments("a\0b c\0"sv), (Words{"a", "b c"}));
    EXPECT_EQ(split_arguments("title\0\0\0\0"sv), (Words{"title"}));
    EXPECT_EQ(split_arguments("a\0\0b"sv), (Words{"a", "", "b"}));
    EXPECT_EQ(split_arguments(""sv), Words{});
    EXPECT_EQ(split_arguments("\0\0"sv), Words{});
}

class FixtureProcess : public ::testing::Test {
  protected:
    void SetUp() override {
        directory_.write("12/stat", stat_text("12", "my (prog) x", "7", "4711"));
        directory_.write("12/status", "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n");
        directory_.write("12/cmdline", std::string("prog\0--password\0x\0", 18));
        directory_.write("12/cgroup", "0::/system.slice/prog.service\n");
        directory_.write("12/loginuid", "1000");
        directory_.link("12/exe", "/usr/bin/prog (deleted)");
        directory_.write("7/stat", stat_text("7", "shell", "1", "100"));
        directory_.write("1/stat", stat_text("1", "init", "0", "2"));
    }

    std::optional<model::Process> read(ArgumentPolicy policy = ArgumentPolicy::redacted) const {
        return ProcessReader(policy, directory_.path()).read(12);
    }

    TemporaryDirectory directory_;
};

TEST_F(FixtureProcess, HasAllFields) {
    const auto process = read();
    ASSERT_TRUE(process);
    EXPECT_EQ(process->key, (model::ProcessKey{12, model::instant_from_us(47'110'000)}));
    EXPECT_EQ(process->command, "my (prog) x");
    EXPECT_EQ(process->executable, "/usr/bin/prog");
    EXPECT_EQ(process->arguments, "prog --password ***");
    EXPECT_EQ(process->uid, 2U);
    EXPECT_EQ(process->gid, 6U);
    EXPECT_EQ(process->login_uid, 1000U);
    EXPECT_EQ(process->control_group, "/system.slice/prog.service");
    EXPECT_EQ(process->unit, "prog.service");
    EXPECT_FALSE(process->container);
    EXPECT_EQ(process->ancestors, (std::vector<model::Ancestor>{{7, "shell"}, {1, "init"}}));
}

TEST_F(FixtureProcess, KeepsArgumentsByThePolicy) {
    EXPECT_EQ(read(ArgumentPolicy::full)->arguments, "prog --password x");
    EXPECT_FALSE(read(ArgumentPolicy::off)->arguments);
    directory_.write("12/cmdline", "");
    EXPECT_FALSE(read()->arguments);
    const std::string long_argument(100'000, 'a');
    directory_.write("12/cmdline", long_argument);
    EXPECT_EQ(read()->arguments, long_argument.substr(0, ProcessReader::max_argument_bytes));
}

// What the limit cuts off is what hides the rest.
TEST_F(FixtureProcess, RedactsBeforeItCuts) {
    const std::string before(ProcessReader::max_argument_bytes - 20, 'a');
    directory_.write("12/cmdline", before + " http://me:" + std::string(200, 'p') + "@host");
    EXPECT_EQ(read()->arguments, before + " http://me:***@host");
}

TEST_F(FixtureProcess, LeavesOutWhatIsNotThere) {
    for (const auto *file : {"exe", "cmdline", "status", "loginuid", "cgroup"})
        std::filesystem::remove(directory_.path() / "12" / file);
    std::filesystem::remove_all(directory_.path() / "7");
    const auto process = read();
    ASSERT_TRUE(process);
    model::Process bare;
    bare.key = process->key;
    bare.command = "my (prog) x";
    EXPECT_EQ(*process, bare);
}

TEST_F(FixtureProcess, TakesNoYoungerProcessForItsParent) {
    directory_.write("7/stat", stat_text("7", "reused", "1", "4712"));
    EXPECT_TRUE(read()->ancestors.empty());
}

TEST_F(FixtureProcess, HasAtMostFourAncestors) {
    directory_.write("7/stat", stat_text("7", "p", "6", "100"));
    for (const int pid : {6, 5, 4, 3})
        directory_.write(std::to_string(pid) + "/stat",
                         stat_text(std::to_string(pid), "p", std::to_string(pid - 1), "100"));
    EXPECT_EQ(read()->ancestors.size(), ProcessReader::max_ancestors);
    // A loop, as no kernel has it, ends as well.
    directory_.write("7/stat", stat_text("7", "p", "7", "100"));
    EXPECT_EQ(read()->ancestors.size(), ProcessReader::max_ancestors);
}

TEST_F(FixtureProcess, IsNothingAmidAnExec) {
    auto stat = stat_text("12", "my (prog) x", "7", "4711");
    stat.replace(stat.find("94000"), 5, "0");
    directory_.write("12/stat", stat);
    EXPECT_FALSE(read());
}

TEST_F(FixtureProcess, ReportsWhatIsNoProcFileSystem) {
    directory_.write("12/stat", "nonsense");
    EXPECT_THROW(read(), std::system_error);
    directory_.write("12/stat", stat_text("13", "other", "7", "1"));
    EXPECT_THROW(read(), std::system_error);
}

TEST_F(FixtureProcess, IsNothingWhereThereIsNone) {
    const ProcessReader reader(ArgumentPolicy::redacted, directory_.path());
    EXPECT_FALSE(reader.read(13));
    EXPECT_FALSE(reader.read_key(13));
    EXPECT_EQ(reader.read_key(7), (model::ProcessKey{7, model::instant_from_us(1'000'000)}));
}

// Waits until a child has executed `program`.
void await_executable(const ProcessReader &reader, std::int32_t pid, const std::string &program) {
    for (;;) {
        const auto process = reader.open(pid);
        ASSERT_TRUE(process);
        const auto stamp = reader.read_stamp(*process);
        ASSERT_TRUE(stamp);
        if (stamp->is_settled() && stamp->executable && stamp->executable->starts_with(program))
            return;
    }
}

TEST(RealProcess, IsThisOne) {
    const ProcessReader reader(ArgumentPolicy::full);
    const auto process = reader.read(::getpid());
    ASSERT_TRUE(process);
    EXPECT_EQ(reader.read_key(::getpid()), process->key);
    EXPECT_LE(process->key.started_at, system::SystemClock().now());
    EXPECT_EQ(process->uid, ::geteuid());
    EXPECT_EQ(process->gid, ::getegid());
    EXPECT_EQ(process->executable, std::filesystem::read_symlink("/proc/self/exe").string());
    ASSERT_FALSE(process->ancestors.empty());
    EXPECT_EQ(process->ancestors.front().pid, ::getppid());
    Child child([] { testing::sleep_until_killed(); });
    EXPECT_EQ(reader.read(child.pid())->ancestors.front(),
              (model::Ancestor{::getpid(), process->command}));
}

TEST(RealProcess, MayCallItselfAnything) {
    Signal named;
    Child child([&] {
        ::prctl(PR_SET_NAME, "a) S 1 \n\\ (b");
        named.raise();
        testing::sleep_until_killed();
    });
    ASSERT_TRUE(named.await());
    EXPECT_EQ(ProcessReader(ArgumentPolicy::off).read(child.pid())->command, "a) S 1 \n\\ (b");
}

TEST(RealProcess, RunsADeletedFile) {
    const TemporaryDirectory directory;
    const ProcessReader reader(ArgumentPolicy::redacted);
    for (const std::string name : {"program", "program (deleted)"}) {
        const auto path = (directory.path() / name).string();
        std::filesystem::copy_file("/bin/sleep", path);
        Child stays([&] { ::execl(path.c_str(), "x", "1000", nullptr); });
        await_executable(reader, stays.pid(), path);
        EXPECT_EQ(reader.read(stays.pid())->executable, path);
        std::filesystem::remove(path);
        const auto process = reader.read(stays.pid());
        EXPECT_EQ(process->executable, path);
        EXPECT_EQ(process->arguments, "x 1000");
    }
}

TEST(RealProcess, HasAnotherStampAfterExec) {
    const ProcessReader reader(ArgumentPolicy::off);
    Signal go;
    Child child([&] {
        go.await();
        ::execl("/proc/self/exe", "again", "--gtest_list_tests", nullptr);
    });
    const auto process = reader.open(child.pid());
    ASSERT_TRUE(process);
    const auto before = reader.read_stamp(*process);
    ASSERT_TRUE(before && before->is_settled());
    EXPECT_EQ(reader.read_stamp(*process), before);
    child.kill();
    EXPECT_EQ(child.wait(), -1);
    EXPECT_FALSE(reader.read_stamp(*process));
    EXPECT_FALSE(reader.read(*process));
}

TEST(RealProcess, IsOverWhenItOnlyWaitsForItsParent) {
    const ProcessReader reader(ArgumentPolicy::off);
    Child child([] {});
    const auto process = reader.open(child.pid());
    ASSERT_TRUE(process);
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOWAIT), 0);
    EXPECT_EQ(reader.read_stamp(*process)->life, ImageStamp::Life::over);
}

} // namespace
} // namespace portd::capture
