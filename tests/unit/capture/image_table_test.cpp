#include "capture/image_table.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

namespace portd::capture {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t nobody_has_this_pid = 0x7ffffff0;

model::Instant at(model::Duration since_boot) {
    return model::Instant{since_boot};
}

ImageTold facts(std::uint32_t pid, std::uint32_t exec_id) {
    ImageTold told;
    told.image = {5'123'456'789, pid, exec_id};
    told.at = at(6s);
    told.executable = "/usr/bin/curl";
    told.command = "curl";
    told.arguments = {"curl", "-u", "me:secret", "http://h/"};
    told.control_group = "/system.slice/fetch.service";
    told.uid = 33;
    told.gid = 34;
    told.login_uid = 1000;
    return told;
}

TEST(ImageTable, AnImageIsAProcess) {
    ImageTable table(ArgumentPolicy::redacted);
    const auto image = table.told(facts(nobody_has_this_pid, 1)).image;
    EXPECT_EQ(image->key.pid, static_cast<std::int32_t>(nobody_has_this_pid));
    EXPECT_EQ(model::to_us(image->key.started_at) % 10'000, 0) << "whole ticks, as in /proc";
    EXPECT_LE(model::to_us(image->key.started_at), 5'123'456);
    EXPECT_EQ(image->executable, "/usr/bin/curl");
    EXPECT_EQ(image->unit, "fetch.service");
    EXPECT_EQ(image->uid, 33U);
    EXPECT_EQ(image->login_uid, 1000U);
    ASSERT_TRUE(image->arguments);
    EXPECT_EQ(image->arguments->find("secret"), std::string::npos);
    EXPECT_EQ(table.find({5'123'456'789, nobody_has_this_pid, 1}), image);
}

TEST(ImageTable, ArgumentsAreLeftOutWhereTheSettingSaysSo) {
    ImageTable table(ArgumentPolicy::off);
    EXPECT_FALSE(table.told(facts(nobody_has_this_pid, 1)).image->arguments);
}

TEST(ImageTable, WhatIsToldTwiceIsOneObject) {
    ImageTable table(ArgumentPolicy::redacted);
    const auto first = table.told(facts(nobody_has_this_pid, 1));
    const auto second = table.told(facts(nobody_has_this_pid, 1));
    EXPECT_EQ(first.image, second.image);
    EXPECT_FALSE(second.replaced);
}

TEST(ImageTable, AnExecReplacesTheImageAndItIsStillFound) {
    ImageTable table(ArgumentPolicy::redacted);
    const auto before = table.told(facts(nobody_has_this_pid, 1)).image;
    auto next = facts(nobody_has_this_pid, 2);
    next.executable = "/usr/bin/wget";
    const auto told = table.told(next);
    EXPECT_EQ(told.replaced, before);
    EXPECT_EQ(told.image->executable, "/usr/bin/wget");
    EXPECT_EQ(table.before_exec(next.image), before);
}

TEST(ImageTable, AnotherProcessWithThePidReplacesNothing) {
    ImageTable table(ArgumentPolicy::redacted);
    table.told(facts(nobody_has_this_pid, 1));
    auto other = facts(nobody_has_this_pid, 2);
    other.image.started_at_ns += 1'000'000'000;
    EXPECT_FALSE(table.told(other).replaced);
}

TEST(ImageTable, AnImageIsKeptForAWhileAfterItsEnd) {
    ImageTable table(ArgumentPolicy::redacted);
    const auto told = facts(nobody_has_this_pid, 1);
    const auto image = table.told(told).image;
    EXPECT_EQ(table.ended({told.image, at(7s)}), image);
    table.tidy(at(8s));
    EXPECT_EQ(table.find(told.image), image);
    table.tidy(at(7s) + ImageTable::kept_after_end + 1us);
    EXPECT_EQ(table.size(), 0U);
    EXPECT_FALSE(table.ended({told.image, at(20s)}));
}

TEST(ImageTable, AForkedProcessRunsWhatItsParentRan) {
    ImageTable table(ArgumentPolicy::redacted);
    const auto parent = table.told(facts(nobody_has_this_pid, 4));
    auto child = facts(nobody_has_this_pid + 1, 4);
    child.executable.reset();
    child.arguments.clear();
    child.was_forked = true;
    table.forked({child.image, facts(nobody_has_this_pid, 4).image});
    table.ended({facts(nobody_has_this_pid, 4).image, at(7s)});
    table.tidy(at(7s) + 2 * ImageTable::kept_after_end);
    const auto image = table.told(child).image;
    EXPECT_EQ(image->executable, parent.image->executable);
    EXPECT_EQ(image->arguments, parent.image->arguments);

    auto stranger = child;
    stranger.image.pid += 1;
    EXPECT_FALSE(table.told(stranger).image->executable);
}

TEST(ImageTable, WithoutFactsAProcessIsItsPidAndNothingElse) {
    ImageTable table(ArgumentPolicy::redacted);
    const auto image = table.find({5'000'000'000, nobody_has_this_pid, 9});
    EXPECT_EQ(image->key.pid, static_cast<std::int32_t>(nobody_has_this_pid));
    EXPECT_TRUE(image->command.empty());
    EXPECT_FALSE(image->executable);
}

TEST(ImageTable, FactsThatComeLateAreTaken) {
    ImageTable table(ArgumentPolicy::redacted);
    const auto bare = table.find({5'123'456'789, nobody_has_this_pid, 1});
    const auto told = table.told(facts(nobody_has_this_pid, 1)).image;
    EXPECT_EQ(told->executable, "/usr/bin/curl");
    EXPECT_EQ(table.find({5'123'456'789, nobody_has_this_pid, 1}), told);
    EXPECT_EQ(bare->key, told->key);
}

TEST(ImageTable, WhatIsMissingIsReadFromProcWhileTheImageIsThere) {
    ProcessReader reader(ArgumentPolicy::full);
    const auto self = reader.read(::getpid());
    ASSERT_TRUE(self);
    ImageTable table(ArgumentPolicy::full);
    ImageTold told;
    told.image = {static_cast<std::uint64_t>(model::to_us(self->key.started_at)) * 1000,
                  static_cast<std::uint32_t>(::getpid()), 1};
    told.command = self->command;
    EXPECT_EQ(table.told(told).image->arguments, self->arguments);

    auto somebody_else = told;
    somebody_else.image.exec_id = 2;
    somebody_else.command = "other";
    EXPECT_FALSE(table.told(somebody_else).image->arguments);
}

TEST(ImageTable, ImagesThatVanishWithoutAWordDoNotPileUp) {
    ImageTable table(ArgumentPolicy::off);
    for (std::uint32_t i = 0; i < 5000; ++i)
        table.find({1, nobody_has_this_pid - i, 1});
    table.tidy(at(1s));
    EXPECT_EQ(table.size(), 0U);
}

// Facts are told once, perhaps to an instance that is dead by now.
TEST(ImageTable, AnotherInstanceKnowsWhatThisOneWasTold) {
    ImageTable first(ArgumentPolicy::redacted);
    first.told(facts(nobody_has_this_pid, 1));
    const auto latest = first.told(facts(nobody_has_this_pid, 2)).image;
    const ImageId child{9'000'000'000, nobody_has_this_pid + 1, 2};
    first.forked({child, {5'123'456'789, nobody_has_this_pid, 2}});
    const auto news = first.take_news();
    EXPECT_TRUE(first.take_news().empty()) << "taken";
    for (const auto &told : {news, first.everything()}) {
        ImageTable second(ArgumentPolicy::redacted);
        second.recall(told);
        EXPECT_EQ(*second.find({5'123'456'789, nobody_has_this_pid, 2}), *latest);
        const auto next = second.told(facts(nobody_has_this_pid, 3));
        ASSERT_TRUE(next.replaced);
        EXPECT_EQ(*next.replaced, *latest);
        auto of_child = facts(child.pid, child.exec_id);
        of_child.image = child;
        of_child.was_forked = true;
        of_child.executable.reset();
        EXPECT_EQ(second.told(of_child).image->executable, "/usr/bin/curl");
        second.tidy(at(17s));
        EXPECT_TRUE(second.find({5'123'456'789, nobody_has_this_pid, 1})->command.empty())
            << "replaced long ago";
    }
}

TEST(ImageTable, NewsThatAreCutOffAreRefused) {
    ImageTable first(ArgumentPolicy::redacted);
    first.told(facts(nobody_has_this_pid, 1));
    const auto news = first.take_news();
    for (std::size_t length = 1; length < news.size(); ++length) {
        ImageTable second(ArgumentPolicy::redacted);
        EXPECT_THROW(second.recall(std::span(news).first(length)), TruncatedBytes);
    }
}

} // namespace
} // namespace portd::capture
