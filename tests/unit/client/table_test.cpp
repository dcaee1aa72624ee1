#include "client/table.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <locale.h>
#include <sstream>
#include <string>

namespace portd::client {
namespace {

class TableTest : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_NE(::setlocale(LC_CTYPE, "C.UTF-8"), nullptr); }
};

std::vector<Column> columns() {
    return {
        {"OPENED", Column::always},
        {"PEER", 70, Cut::middle, 15},
        {"PROCESS", Column::always, Cut::end, 16},
        {"ROLE", 30},
        {"UNIT", 10, Cut::end, 12},
    };
}

std::vector<Row> rows() {
    return {{{"2026-11-22 03:12:05.120"},
             {"[2001:db8:1234:5678:9abc:def0:1234:5678]:60609"},
             {"curl[8123]"},
             {"listener (+17 accepted)"},
             {"user@1000.service"}},
            {{"2026-11-22 03:12:05.120"}, {""}, {"unknown"}, {"client"}, {""}}};
}

TEST_F(TableTest, WithoutAWidthNothingIsCut) {
    const Table table(columns(), rows(), std::nullopt, Charset::utf8);
    EXPECT_EQ(
        table.heading(Color::off),
        "OPENED                   PEER                                            PROCESS     "
        "ROLE                     UNIT");
    EXPECT_EQ(
        table.line(rows()[0], Color::off),
        "2026-11-22 03:12:05.120  [2001:db8:1234:5678:9abc:def0:1234:5678]:60609  curl[8123]  "
        "listener (+17 accepted)  user@1000.service");
    EXPECT_EQ(
        table.line(rows()[1], Color::off),
        "2026-11-22 03:12:05.120  -                                               unknown     "
        "client                   -");
}

TEST_F(TableTest, CutsThenLeavesOutByRank) {
    const struct {
        std::size_t width;
        const char *line;
    } cases[] = {
        {200,
         "2026-11-22 03:12:05.120  [2001:db8:1234:5678:9abc:def0:1234:5678]:60609  curl[8123]  "
         "listener (+17 accepted)  user@1000.service"},
        {120, "2026-11-22 03:12:05.120  [2001:db8:1234:5678…f0:1234:5678]:60609  curl[8123]  "
              "listener (+17 accepted)  user@1000.service"},
        {88, "2026-11-22 03:12:05.120  [2001:db8:12…4:5678]:60609  curl[8123]  listener (+17 "
             "accepted)"},
        {80, "2026-11-22 03:12:05.120  [2001:db…78]:60609  curl[8123]  listener (+17 accepted)"},
    };
    for (const auto &c : cases) {
        const Table table(columns(), rows(), c.width, Charset::utf8);
        EXPECT_EQ(table.line(rows()[0], Color::off), c.line);
        EXPECT_LE(display_width(table.line(rows()[0], Color::off)), c.width);
        EXPECT_LE(display_width(table.heading(Color::off)), c.width);
    }
}

TEST_F(TableTest, AColumnThatSaysNothingGoesFirst) {
    std::vector<Row> bare = rows();
    for (Row &row : bare)
        row[1].text.clear();
    const Table table(columns(), bare, 82, Charset::utf8);
    EXPECT_EQ(table.heading(Color::off).find("PEER"), std::string::npos);
    EXPECT_NE(table.heading(Color::off).find("UNIT"), std::string::npos);
}

TEST_F(TableTest, OnANarrowTerminalARowGoesOnInLinesBelow) {
    const Table table(columns(), rows(), 40, Charset::utf8);
    EXPECT_EQ(table.line(rows()[0], Color::off), "2026-11-22 03:12:05.120\n"
                                                 "    [2001:db…78]:60609  curl[8123]\n"
                                                 "    listener (+17 accepted)");
    EXPECT_EQ(table.heading(Color::off), "OPENED\n"
                                         "    PEER                PROCESS\n"
                                         "    ROLE");
}

TEST_F(TableTest, CellsThatAreWiderThanALineAreCut) {
    const std::vector<Row> one{{{"a"}, {"bcdefghijklmnopqrstuvwxyz"}}};
    const Table table({{"X", Column::always}, {"Y", Column::always, Cut::end, 5}}, one, 14,
                      Charset::utf8);
    EXPECT_EQ(table.line(one[0], Color::off), "a  bcdefghij…");
}

TEST_F(TableTest, ColorSurroundsTheTextOnly) {
    const std::vector<Row> colored{{{"a", Style::bold}, {"b", Style::caution}}};
    const Table table({{"X", Column::always}, {"Y", Column::always}}, colored, 80, Charset::utf8);
    EXPECT_EQ(table.line(colored[0], Color::on), "\x1b[1ma\x1b[0m  \x1b[33mb\x1b[0m");
    EXPECT_EQ(table.line(colored[0], Color::off), "a  b");
}

// Every line fits, if the columns that must stay can.
RC_GTEST_FIXTURE_PROP(TableTest, LinesFitTheTerminal, ()) {
    const auto width = *rc::gen::inRange<std::size_t>(1, 250);
    const auto texts = *rc::gen::container<std::vector<std::string>>(
        5, rc::gen::container<std::string>(rc::gen::inRange('a', 'z')));
    std::vector<Column> all = columns();
    for (Column &column : all)
        column.cut = column.cut == Cut::never ? Cut::end : column.cut;
    Row row;
    for (const std::string &text : texts)
        row.push_back({text});
    const std::vector<Row> one{row};
    const Table table(all, one, width, Charset::utf8);
    for (const std::string &whole : {table.line(row, Color::off), table.heading(Color::off)}) {
        std::istringstream lines(whole);
        for (std::string line; std::getline(lines, line);)
            RC_ASSERT(display_width(line) <= std::max<std::size_t>(width, 24));
    }
}

} // namespace
} // namespace portd::client
