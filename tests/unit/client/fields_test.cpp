#include "client/fields.hpp"

#include <gmock/gmock.h>

namespace portd::client {
namespace {

using testing::ElementsAre;

TEST(Fields, GoOnBelowTheirValues) {
    Fields fields;
    fields.add("Of", "one two three four five six");
    fields.add("Longer", "seven");
    fields.more("eight");
    EXPECT_THAT(fields.lines(31), ElementsAre("    Of: one two three four five", //
                                              "        six",                     //
                                              "Longer: seven",                   //
                                              "        eight"));
    EXPECT_EQ(fields.lines(std::nullopt).size(), 3U);
}

TEST(Fields, CommandsAreWholeWhateverTheWidth) {
    const std::string command = "sysctl -w net.ipv4.ip_local_port_range='32768 60999'";
    Fields fields;
    fields.add("What helps", "a great many more ports:\n" + command);
    const std::string blanks(12, ' ');
    EXPECT_THAT(fields.lines(20), ElementsAre("What helps: a great many more", //
                                              blanks + "ports:", blanks + command));
    EXPECT_THAT(fields.lines(std::nullopt),
                ElementsAre("What helps: a great many more ports:", blanks + command));
}

} // namespace
} // namespace portd::client
