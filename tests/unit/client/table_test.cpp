#include "client/table.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <locale.h>

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

TEST_F(TableTest, NarrowTerminalsGetEightyColumns) {
    const Table at_20(columns(), rows(), 20, Charset::utf8);
    const Table at_80(columns(), rows(), 80, Charset::utf8);
    EXPECT_EQ(at_20.line(rows()[0], Color::off), at_80.line(rows()[0], Color::off));
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
    RC_ASSERT(display_width(table.line(row, Color::off)) <=
              std::max(width, Table::narrowest_table));
    RC_ASSERT(display_width(table.heading(Color::off)) <= std::max(width, Table::narrowest_table));
}

} // namespace
} // namespace portd::client
