#include "client/bind_failure_text.hpp"
#include "client/lease_table.hpp"
#include "client/lease_text.hpp"

#include "unit/client/fake_daemon.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace portd::client {
namespace {

using test::observed;
using test::sampled;
using test::second;
using test::t0;

TEST(LeaseTableTest, StandingAtAnInstant) {
    proto::Lease exact = test::connection_lease(); // t0, closed 0.5 s later, freed 60 s later
    proto::Lease unsure = exact;
    unsure.opened = sampled(t0 - second, t0 + second);
    unsure.closed = sampled(t0 + 5 * second, t0 + 7 * second);
    unsure.freed = sampled(t0 + 5 * second, t0 + 7 * second);
    proto::Lease open = exact;
    open.closed.reset();
    open.freed.reset();
    proto::Lease lingering = exact;
    lingering.freed.reset();
    proto::Lease from_the_first = open;
    from_the_first.opened = sampled(std::nullopt, t0);

    const struct {
        const proto::Lease &lease;
        std::int64_t at_usec;
        Standing standing;
    } cases[] = {
        {exact, t0 - 1, Standing::after},
        {exact, t0, Standing::held},
        {exact, t0 + second / 2, Standing::held},
        {exact, t0 + second, Standing::lingering},
        {exact, t0 + 60 * second, Standing::lingering},
        {exact, t0 + 61 * second, Standing::before},
        {unsure, t0 - 2 * second, Standing::after},
        {unsure, t0, Standing::possibly},
        {unsure, t0 + second, Standing::held},
        {unsure, t0 + 6 * second, Standing::possibly},
        {unsure, t0 + 8 * second, Standing::before},
        {open, t0 + 1'000'000 * second, Standing::held},
        {lingering, t0 + 1'000'000 * second, Standing::lingering},
        {from_the_first, t0 - 1, Standing::possibly},
        {from_the_first, t0, Standing::held},
    };
    for (const auto &c : cases)
        EXPECT_EQ(to_string(standing_at(c.lease, c.at_usec)), to_string(c.standing))
            << (c.at_usec - t0);
}

// "held" is said only where every reading of the bounds agrees, "before" and "after" too.
RC_GTEST_PROP(LeaseTableTest, StandingIsCertainOnlyWhereTheBoundsAre, ()) {
    const auto any_time = rc::gen::inRange<std::int64_t>(0, 12);
    const auto moment = [&] {
        const auto a = *any_time;
        const auto b = *any_time;
        return sampled(t0 + std::min(a, b), t0 + std::max(a, b));
    };
    proto::Lease lease = test::connection_lease();
    lease.opened = moment();
    lease.closed = moment();
    lease.freed = lease.closed;
    const std::int64_t at = t0 + *any_time;
    const Standing standing = standing_at(lease, at);
    const bool surely_held = *lease.opened.latest_usec <= at && at <= *lease.closed->earliest_usec;
    const bool never_held = at < *lease.opened.earliest_usec || at > *lease.closed->latest_usec;
    RC_ASSERT((standing == Standing::held) == surely_held);
    RC_ASSERT((standing == Standing::possibly) == (!surely_held && !never_held));
}

TEST(LeaseTableTest, HoldersNameTheOpenerAndTheLast) {
    proto::Lease lease = test::connection_lease();
    EXPECT_EQ(format_holders(lease, Charset::ascii), "curl[8123]");
    lease.last_holder = test::process(9, "worker");
    lease.holders = {lease.opener, lease.last_holder};
    EXPECT_EQ(format_holders(lease, Charset::ascii), "curl[8123] -> worker[9]");
    EXPECT_EQ(format_holders(lease, Charset::utf8), "curl[8123] → worker[9]");
    lease.holders.push_back(test::process(10, "worker"));
    EXPECT_EQ(format_holders(lease, Charset::ascii), "curl[8123] -> worker[9] (+1)");
    lease.opener = {};
    lease.holders = {lease.last_holder};
    EXPECT_EQ(format_holders(lease, Charset::ascii), "unknown -> worker[9]");
    lease.last_holder = {};
    lease.holders.clear();
    EXPECT_EQ(format_holders(lease, Charset::ascii), "unknown");
    lease.incomplete = true;
    EXPECT_EQ(format_holders(lease, Charset::ascii), "withheld");
}

TEST(LeaseTableTest, WhatIsWithheldIsNotCalledUnknown) {
    proto::Lease lease = test::connection_lease();
    lease.incomplete = true;
    lease.opened = {};
    lease.opener = lease.last_holder = {};
    lease.holders.clear();
    for (const Detail detail : {Detail::brief, Detail::wide})
        for (const Cell &cell :
             lease_row({Listing::live, detail, Charset::ascii, t0}, FoldedLease{lease, 0}))
            EXPECT_NE(cell.text, "unknown");
    lease.incomplete = false;
    EXPECT_EQ(lease_row({}, FoldedLease{lease, 0})[0].text, "unknown");
}

TEST(LeaseTableTest, RowsHaveACellForEachColumn) {
    for (const Listing listing : {Listing::history, Listing::live})
        for (const Detail detail : {Detail::brief, Detail::wide})
            for (const auto at : {std::optional<std::int64_t>(), std::optional(t0)})
                for (const bool more : {false, true}) {
                    LeaseForm form{listing, detail, Charset::ascii, t0};
                    form.at_usec = at;
                    form.shows_namespace = form.shows_outcome = more;
                    const std::size_t columns = lease_columns(form).size();
                    EXPECT_EQ(lease_row(form, FoldedLease{test::connection_lease(), 3}).size(),
                              columns);
                    EXPECT_EQ(lease_row(form, test::refused_bind()).size(), columns);
                }
}

// ---- Processes

TEST(LeaseTableTest, AnExecIsAChangeOfProgram) {
    proto::Lease lease = test::connection_lease();
    lease.opener.executable = "/usr/bin/dash";
    lease.opener.command = "sh";
    lease.last_holder.executable = "/usr/bin/curl";
    lease.holders = {lease.opener, lease.last_holder};
    EXPECT_EQ(format_holders(lease, Charset::utf8), "sh[8123] → curl[8123]");
    lease.last_holder.executable = lease.opener.executable; // it named itself anew
    lease.holders = {lease.last_holder};
    EXPECT_EQ(format_holders(lease, Charset::utf8), "sh[8123]");
}

TEST(LeaseTableTest, TheKernelIsNoProcessAndNoUser) {
    proto::Lease lease = test::connection_lease();
    proto::Process kernel;
    kernel.pid = 0;
    kernel.command = "kernel";
    for (const Provenance provenance : {Provenance::observed, Provenance::inferred}) {
        kernel.provenance = provenance;
        lease.opener = lease.last_holder = kernel;
        lease.holders = {kernel};
        lease.uid = 0;
        lease.user = "root";
        EXPECT_EQ(format_holders(lease, Charset::utf8), "kernel");
        EXPECT_EQ(format_user(lease, Charset::utf8), "");
    }
    // A program may call itself so.
    lease.opener = lease.last_holder = test::process(812, "kernel");
    EXPECT_EQ(format_holders(lease, Charset::utf8), "kernel[812]");
    EXPECT_EQ(format_user(lease, Charset::utf8), "root");
}

// ---- Columns that are there only where they say something

std::vector<std::string> titles(const LeaseForm &form) {
    std::vector<std::string> found;
    for (const Column &column : lease_columns(form))
        found.push_back(column.title);
    return found;
}

bool has_column(const LeaseForm &form, const std::string &title) {
    const auto all = titles(form);
    return std::find(all.begin(), all.end(), title) != all.end();
}

TEST(LeaseTableTest, OutcomesAreShownWhereTheyAreNotTheUsualOne) {
    proto::Lease lease = test::connection_lease();
    const auto form_for = [&](Listing listing = Listing::history) {
        LeaseForm form;
        form.listing = listing;
        const std::vector<FoldedRow> rows{FoldedLease{test::connection_lease(), 0},
                                          FoldedLease{lease, 0}};
        return fitted(form, rows);
    };
    EXPECT_FALSE(has_column(form_for(), "OUTCOME"));
    lease.outcome = Outcome::closed;
    EXPECT_FALSE(has_column(form_for(), "OUTCOME"));
    for (const Outcome outcome : {Outcome::refused, Outcome::reset, Outcome::timed_out,
                                  Outcome::unreachable, Outcome::abandoned}) {
        lease.outcome = outcome;
        ASSERT_TRUE(has_column(form_for(), "OUTCOME"));
        EXPECT_FALSE(has_column(form_for(Listing::live), "OUTCOME"));
        const auto all = titles(form_for());
        const auto column = std::find(all.begin(), all.end(), "OUTCOME") - all.begin();
        EXPECT_EQ(
            lease_row(form_for(), FoldedLease{lease, 0})[static_cast<std::size_t>(column)].text,
            portd::to_string(outcome));
    }
}

TEST(LeaseTableTest, NamespacesAreShownWhereOneIsNotPortdsOwn) {
    proto::Lease elsewhere = test::connection_lease();
    elsewhere.network_namespace = 4026532100;
    proto::BindFailure failure = test::refused_bind();
    const auto cell = [](const LeaseForm &form, const FoldedRow &row) {
        const auto all = titles(form);
        const auto column = std::find(all.begin(), all.end(), "NETNS") - all.begin();
        return lease_row(form, row).at(static_cast<std::size_t>(column)).text;
    };
    const FoldedRow own = FoldedLease{test::connection_lease(), 0};
    for (const Listing listing : {Listing::history, Listing::live}) {
        LeaseForm form;
        form.listing = listing;
        form.own_namespace = test::own_namespace;
        EXPECT_FALSE(has_column(fitted(form, std::vector{own, FoldedRow(failure)}), "NETNS"));

        const LeaseForm shown =
            fitted(form, std::vector{own, FoldedRow(FoldedLease{elsewhere, 0})});
        ASSERT_TRUE(has_column(shown, "NETNS"));
        EXPECT_EQ(cell(shown, own), "4026531840");
        EXPECT_EQ(cell(shown, FoldedLease{elsewhere, 0}), "4026532100");
        proto::Lease named = elsewhere;
        named.network_namespace_name = "bl\x1bue";
        EXPECT_EQ(cell(shown, FoldedLease{named, 0}), "bl\\x1bue");

        proto::BindFailure other = failure;
        other.network_namespace = 7;
        EXPECT_EQ(cell(fitted(form, std::vector{own, FoldedRow(other)}), other), "7");
        form.own_namespace.reset();
        EXPECT_FALSE(
            has_column(fitted(form, std::vector{FoldedRow(FoldedLease{elsewhere, 0})}), "NETNS"));
    }
}

// ---- Bind failures

TEST(BindFailureText, SaysWhoTriedAndWhoWasInTheWay) {
    const auto attempt = [](const proto::BindFailure &failure) {
        return format_attempt(failure, Charset::utf8);
    };
    proto::BindFailure failure = test::refused_bind();
    EXPECT_EQ(attempt(failure), "python3[99], in use by nginx[812]");

    // Connections of the listener are not others.
    proto::Lease accepted = failure.in_the_way[0];
    accepted.role = Role::accepted;
    failure.in_the_way.push_back(accepted);
    EXPECT_EQ(attempt(failure), "python3[99], in use by nginx[812]");
    proto::Lease other = accepted;
    other.last_holder = test::process(9, "haproxy");
    failure.in_the_way.push_back(other);
    EXPECT_EQ(attempt(failure), "python3[99], in use by nginx[812] (+1)");

    proto::BindFailure unsure = test::refused_bind();
    unsure.error.reset();
    EXPECT_EQ(attempt(unsure), "python3[99], in use by nginx[812], or for another reason");

    proto::BindFailure lingering = test::refused_bind();
    lingering.in_the_way[0].closed = observed(t0 - 1);
    EXPECT_EQ(attempt(lingering), "python3[99], left lingering by nginx[812]");
    lingering.in_the_way[0].closed = observed(t0);
    EXPECT_EQ(attempt(lingering), "python3[99], in use by nginx[812]");

    proto::BindFailure nobody = test::refused_bind();
    nobody.in_the_way[0].opener = nobody.in_the_way[0].last_holder = {};
    EXPECT_EQ(attempt(nobody), "python3[99], in use by unknown");

    proto::BindFailure withheld = test::refused_bind();
    withheld.in_the_way.clear();
    withheld.incomplete = true;
    EXPECT_EQ(attempt(withheld), "python3[99], in use, withheld");

    proto::BindFailure privileged = test::refused_bind();
    privileged.in_the_way.clear();
    privileged.error = "EACCES";
    EXPECT_EQ(attempt(privileged), "python3[99], not permitted");
    privileged.error = "E\x1b[2J";
    EXPECT_EQ(attempt(privileged), "python3[99], E\\x1b[2J");
    privileged.error.reset();
    EXPECT_EQ(attempt(privileged), "python3[99], refused");
    privileged.process = {};
    EXPECT_EQ(attempt(privileged), "unknown, refused");
}

} // namespace
} // namespace portd::client
