// JSON without a tree of it: what stands in a text is told as it is read. Answers have leases by
// the hundred thousand, and the parser of Boost.JSON takes a tenth of the time in which nlohmann's
// makes a tree of one. All else is few and small, and read as a tree.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string_view>

namespace portd::proto {

// Texts are UTF-8 and valid during the call.
class JsonEvents {
  public:
    virtual ~JsonEvents() = default;
    virtual void begin_object() = 0;
    virtual void key(std::string_view name) = 0;
    virtual void end_object() = 0;
    virtual void begin_array() = 0;
    virtual void end_array() = 0;
    virtual void text(std::string_view value) = 0;
    virtual void integer(std::int64_t value) = 0;
    // One that is no std::int64_t, as it is written.
    virtual void other_number(std::string_view digits) = 0;
    virtual void boolean(bool value) = 0;
    virtual void null() = 0;
};

// False: it is not JSON, and what was told up to there means nothing. It may be nested 64 deep.
bool read_json(std::string_view text, JsonEvents &events);
void read_json(const nlohmann::json &tree, JsonEvents &events);

} // namespace portd::proto
