// Watch and Export, answered from a history in memory.
#include "fake_backend.hpp"
#include "proto/codec.hpp"
#include "proto/framing.hpp"
#include "server/change_position.hpp"
#include "server/methods.hpp"
#include "server/silence.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace portd::server {
namespace {

using nlohmann::json;

constexpr std::int64_t now = 1000;
const Caller root{0, Sight::everything};
const Caller ann{1000, Sight::own};

class ChangeStreams : public testing::Test {
  protected:
    ChangeStreams() {
        history_.watched.complete = true;
        history_.reached = {.end = {"b007", 100, 0}, .last_serial = 0, .last_gap = 0};
    }

    // The serial of a lease in the fake is its place, from 1.
    void found(proto::Lease lease) {
        history_.leases.push_back(std::move(lease));
        history_.reached.last_serial = static_cast<std::int64_t>(history_.leases.size());
        history_.reached.end.last_serial = history_.reached.last_serial;
    }
    void ended(std::size_t serial, std::int64_t at_usec) {
        proto::Lease &lease = history_.leases.at(serial - 1);
        lease.phase = Phase::freed;
        lease.closed = lease.freed = observed(at_usec);
    }
    void sampled(std::int64_t at_usec) { history_.reached.end.at_us = at_usec; }
    void lost(const std::string &cause, std::int64_t since, std::int64_t until) {
        const std::int64_t number = ++history_.reached.last_gap;
        history_.numbered_gaps.push_back({number, {since, until, cause, std::nullopt}});
    }

    Answer ask(std::string_view method, json parameters, const Caller &caller) {
        proto::Call call;
        call.method = method;
        call.more = true;
        call.parameters = std::make_shared<const json>(std::move(parameters));
        return answer(call, caller, {history_, daemon_}, now);
    }
    std::unique_ptr<Stream> stream(std::string_view method, json parameters = json::object(),
                                   const Caller &caller = root) {
        return std::get<std::unique_ptr<Stream>>(ask(method, std::move(parameters), caller));
    }

    // Until it is over or waits.
    std::vector<proto::Reply> take(Stream &stream) {
        proto::MessageReader reader;
        std::vector<proto::Reply> replies;
        for (int i = 0; i < 1'000; ++i) {
            const std::string bytes = stream.next(history_, now);
            reader.append(bytes);
            while (const auto message = reader.next())
                replies.push_back(std::get<proto::Reply>(proto::parse_reply(*message)));
            if (stream.finished() || (bytes.empty() && stream.is_waiting()))
                return replies;
        }
        ADD_FAILURE() << "it neither ends nor waits";
        return replies;
    }

    // "open a, ready, opened b-, ended c, gap overflow": cut leases with a '-'.
    std::string summary(const std::vector<proto::Reply> &replies) {
        std::string text;
        for (const proto::Reply &reply : replies) {
            text += text.empty() ? "" : ", ";
            if (!reply.error.empty()) {
                text += reply.error;
                continue;
            }
            const json &content = *reply.parameters;
            text += content.value("event", content.contains("coverage") ? "last" : "");
            text += text.empty() || text.back() == ' ' ? "" : " ";
            if (content.contains("lease"))
                text += content["lease"]["id"].get<std::string>() +
                        (content["lease"]["incomplete"].get<bool>() ? "-" : "");
            if (content.contains("gap"))
                text += content["gap"]["cause"].get<std::string>();
            while (text.ends_with(' '))
                text.pop_back();
            if (content.contains("cursor"))
                cursor_ = content["cursor"];
        }
        return text;
    }
    std::string taken(Stream &stream) { return summary(take(stream)); }

    FakeHistory history_;
    FakeDaemon daemon_;
    std::string cursor_; // of the last reply that had one
};

TEST_F(ChangeStreams, WatchTellsWhatIsOpenAndThenWhatHappens) {
    found(freed_lease("a", 50000, 0, 10, 20));
    found(open_lease("b", 50001, 0, 30));
    const auto watch = stream(proto::methods::watch);
    EXPECT_TRUE(watch->follows());
    EXPECT_EQ(taken(*watch), "open b, ready");
    EXPECT_EQ(taken(*watch), "");

    found(open_lease("c", 50002, 0, 110));
    EXPECT_EQ(taken(*watch), "opened c");
    ended(2, 120);
    EXPECT_EQ(taken(*watch), "") << "an end waits for the sample";
    sampled(200);
    EXPECT_EQ(taken(*watch), "ended b");

    found(freed_lease("d", 50003, 0, 210, 220));
    sampled(300);
    lost("overflow", 230, 240);
    EXPECT_EQ(taken(*watch), "opened d, gap overflow, ended d");
    EXPECT_FALSE(watch->finished());
}

TEST_F(ChangeStreams, EachOpeningAndEachEndComesOnceWhereverItIsCutOff) {
    found(open_lease("a", 50000, 0, 30));
    found(open_lease("b", 50001, 0, 40));
    const auto first = stream(proto::methods::watch);
    taken(*first);
    const std::string before = cursor_;
    for (int i = 0; i < 5; ++i)
        found(open_lease("n" + std::to_string(i), 50010, 0, 110 + i));
    ended(1, 120);
    ended(4, 130);
    lost("overflow", 130, 140);
    sampled(200);

    const auto all = take(*stream(proto::methods::watch, {{"afterCursor", before}}));
    const std::string whole = summary(all);
    EXPECT_EQ(whole, "ready, opened n0, opened n1, opened n2, opened n3, opened n4, gap overflow, "
                     "ended a, ended n1");
    for (std::size_t cut = 1; cut <= all.size(); ++cut) {
        const std::vector<proto::Reply> head(all.begin(),
                                             all.begin() + static_cast<std::ptrdiff_t>(cut));
        const std::string received = summary(head);
        const auto rest =
            take(*stream(proto::methods::watch, {{"afterCursor", std::string(cursor_)}}));
        const std::string later = summary(rest);
        EXPECT_EQ(received + later.substr(std::string("ready").size()), whole) << cut;
    }
}

TEST_F(ChangeStreams, FiltersChooseAmongChanges) {
    const auto watch = stream(proto::methods::watch, {{"port", 50001}});
    EXPECT_EQ(taken(*watch), "ready");
    found(open_lease("a", 50000, 0, 110));
    found(open_lease("b", 50001, 0, 110));
    ended(1, 120);
    ended(2, 120);
    sampled(200);
    EXPECT_EQ(taken(*watch), "opened b, ended b");
}

TEST_F(ChangeStreams, AnOrdinaryUserSeesWhatTheKernelShowsToAll) {
    found(open_lease("hers", 50000, 1000, 30));
    found(open_lease("others", 50001, 2000, 30));
    const auto watch = stream(proto::methods::watch, json::object(), ann);
    EXPECT_EQ(taken(*watch), "open hers, open others-, ready");
    found(open_lease("her second", 50002, 1000, 110));
    found(open_lease("another", 50003, 2000, 110));
    found(freed_lease("unseen", 50004, 2000, 111, 112));
    EXPECT_EQ(taken(*watch), "opened her second, opened another-");
    ended(3, 120);
    ended(4, 120);
    sampled(200);
    EXPECT_EQ(taken(*watch), "ended her second");

    // Neither a cursor nor a filter tells more.
    const std::string after = cursor_;
    found(open_lease("third", 50005, 2000, 210));
    EXPECT_EQ(taken(*stream(proto::methods::watch, {{"afterCursor", after}}, ann)), "ready");
    EXPECT_EQ(taken(*stream(proto::methods::watch, {{"pid", 812}}, ann)), "open hers, ready");
    EXPECT_EQ(taken(*stream(proto::methods::export_, json::object(), ann)), "her second, last");
}

TEST_F(ChangeStreams, ReadySaysWhatIsKnownOfThatInstant) {
    const auto replies = take(*stream(proto::methods::watch, json::object(), ann));
    const auto ready =
        std::get<proto::WatchReply>(proto::decode<proto::WatchReply>(*replies.at(0).parameters));
    EXPECT_EQ(ready.event, Event::ready);
    EXPECT_TRUE(ready.withheld);
    ASSERT_TRUE(ready.coverage);
    EXPECT_FALSE(ready.coverage->complete) << "something is withheld";
    EXPECT_TRUE(ready.cursor);
    EXPECT_EQ(history_.asked_of_present, 1u);
}

TEST_F(ChangeStreams, ExportGivesFinalStatesAndGapsAndEnds) {
    found(freed_lease("a", 50000, 0, 10, 20));
    found(open_lease("b", 50001, 0, 30));
    found(freed_lease("c", 50002, 0, 40, 98));
    lost("overflow", 50, 60);
    const auto exported = stream(proto::methods::export_);
    EXPECT_FALSE(exported->follows());
    const auto replies = take(*exported);
    EXPECT_EQ(summary(replies), "overflow, a, last") << "news of c may still come";
    EXPECT_TRUE(exported->finished());
    EXPECT_FALSE(replies.back().continues);

    sampled(200);
    ended(2, 150);
    EXPECT_EQ(taken(*stream(proto::methods::export_, {{"afterCursor", std::string(cursor_)}})),
              "b, c, last");
    EXPECT_EQ(taken(*stream(proto::methods::export_, {{"afterCursor", std::string(cursor_)}})),
              "last");
}

TEST_F(ChangeStreams, ExportFollows) {
    found(freed_lease("a", 50000, 0, 10, 20));
    const auto exported = stream(proto::methods::export_, {{"follow", true}});
    EXPECT_TRUE(exported->follows());
    EXPECT_EQ(taken(*exported), "a");
    found(freed_lease("b", 50000, 0, 110, 120));
    EXPECT_EQ(taken(*exported), "");
    sampled(200);
    EXPECT_EQ(taken(*exported), "b");
    EXPECT_FALSE(exported->finished());
}

TEST_F(ChangeStreams, ExportOfAnInterval) {
    found(freed_lease("a", 50000, 0, 10, 20));
    found(freed_lease("b", 50000, 0, 30, 40));
    found(freed_lease("c", 50000, 0, 50, 60));
    lost("before", 1, 5);
    lost("within", 36, 38);
    EXPECT_EQ(taken(*stream(proto::methods::export_, {{"sinceUsec", 35}, {"untilUsec", 45}})),
              "within, b, last");
    EXPECT_EQ(history_.coverage_since, 35);
    EXPECT_EQ(history_.coverage_until, 45);
}

TEST_F(ChangeStreams, AnExportThatFindsNothingForLongGivesSignsOfLife) {
    const auto signs_among = [this](std::size_t leases) {
        history_.leases.clear();
        for (std::size_t i = 0; i < leases; ++i)
            found(freed_lease("other's", 50000, 0, 10, 20));
        sampled(200);
        const auto replies = take(*stream(proto::methods::export_, json::object(), ann));
        for (const auto &reply : std::span(replies).first(replies.size() - 1)) {
            EXPECT_TRUE(reply.continues);
            EXPECT_EQ(*reply.parameters, json::object());
        }
        EXPECT_FALSE(replies.back().continues);
        return replies.size() - 1;
    };
    EXPECT_EQ(signs_among(100), 0U);
    EXPECT_EQ(signs_among(32 * Silence::longest * 2 + 1), 2U);
}

TEST_F(ChangeStreams, WhatHasExpiredIsSaid) {
    found(freed_lease("a", 50000, 0, 10, 20));
    taken(*stream(proto::methods::export_));
    const std::string old = cursor_;
    history_.missing = model::Missing{{{100, 150, "expired", std::nullopt}}, false};
    found(freed_lease("b", 50000, 0, 160, 170));
    sampled(200);
    const auto exported = stream(proto::methods::export_, {{"afterCursor", old}, {"follow", true}});
    EXPECT_EQ(taken(*exported), "expired, b") << "and once";

    // Of another store: all of this one follows.
    history_.missing =
        model::Missing{{{std::nullopt, std::nullopt, "expired", std::nullopt}}, true};
    EXPECT_EQ(taken(*stream(proto::methods::export_, {{"afterCursor", old}})),
              "expired, a, b, last");
}

TEST_F(ChangeStreams, MoreThanAPage) {
    std::set<std::string> wanted;
    for (int i = 0; i < 1'000; ++i) {
        const std::string id = "l" + std::to_string(i);
        found(freed_lease(id, 50000, 0, 10, 20 + i % 50));
        wanted.insert(id);
    }
    std::multiset<std::string> ids;
    for (const auto &reply : take(*stream(proto::methods::export_)))
        if (reply.parameters->contains("lease"))
            ids.insert((*reply.parameters)["lease"]["id"].get<std::string>());
    EXPECT_EQ(ids, (std::multiset<std::string>(wanted.begin(), wanted.end())));
}

TEST_F(ChangeStreams, ABrokenHistoryIsAnError) {
    history_.broken = true;
    const std::string error(proto::errors::store_unavailable);
    EXPECT_EQ(taken(*stream(proto::methods::watch)), error);
    EXPECT_EQ(taken(*stream(proto::methods::export_, {{"follow", true}})), error);
}

TEST_F(ChangeStreams, WhatCannotBeAskedIsRefused) {
    const auto refusal = [&](std::string_view method, json parameters) {
        const auto reply = std::get<proto::Reply>(ask(method, std::move(parameters), root));
        return reply.error + " " + reply.parameters->value("parameter", "");
    };
    const std::string invalid(proto::errors::invalid_parameter);
    taken(*stream(proto::methods::watch));
    EXPECT_EQ(refusal(proto::methods::export_, {{"afterCursor", cursor_}}),
              invalid + " afterCursor");
    EXPECT_EQ(refusal(proto::methods::watch, {{"afterCursor", "x"}}), invalid + " afterCursor");
    EXPECT_EQ(refusal(proto::methods::watch, {{"port", 0}}), invalid + " port");
    EXPECT_EQ(refusal(proto::methods::watch, {{"sinceUsec", 1}}), invalid + " sinceUsec");
    const std::string interval = std::string(proto::errors::invalid_interval) + " ";
    EXPECT_EQ(refusal(proto::methods::export_, {{"follow", true}, {"untilUsec", 1}}), interval);
    EXPECT_EQ(refusal(proto::methods::export_, {{"sinceUsec", 2}, {"untilUsec", 1}}), interval);
}

} // namespace
} // namespace portd::server
