// The cursors of History, Watch and Export come back from clients: one that is understood is
// written and understood again as the same.
#include "server/change_position.hpp"
#include "server/cursor.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace portd::server;

namespace {

void check(bool holds) {
    if (!holds)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    if (const auto cursor = parse_cursor(text))
        check(parse_cursor(to_text(*cursor)) == cursor);
    for (const CursorOf method : {CursorOf::watch, CursorOf::export_})
        if (const auto position = parse_cursor(text, method))
            check(parse_cursor(to_cursor(*position, method), method) == position);
    return 0;
}
