#include "proto/reply_text.hpp"

#include "proto/json_events.hpp"
#include "proto/json_text.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace portd::proto {
namespace {

// Copies one value of what is read.
class Copy final : public JsonEvents {
  public:
    // `name`: see reply_text.hpp.
    explicit Copy(std::string_view name) : name_(name), depth_of_value_(name.empty() ? 1 : 2) {}

    void begin_object() override { begin('{'); }
    void key(std::string_view name) override {
        if (is_inside()) {
            separate();
            append_quoted(text_, name, Escaped::all_but_ascii);
            text_ += ':';
            needs_comma_ = false;
        } else if (depth_ == 1) {
            is_in_parameters_ = name == "parameters";
            is_next_ = is_in_parameters_ && name_.empty();
        } else if (depth_ == 2) {
            is_next_ = is_in_parameters_ && name == name_;
        }
    }
    void end_object() override { end('}'); }
    void begin_array() override { begin('['); }
    void end_array() override { end(']'); }
    void text(std::string_view value) override {
        if (is_copied()) {
            separate();
            append_quoted(text_, value, Escaped::all_but_ascii);
        }
    }
    void integer(std::int64_t value) override { append(std::to_string(value)); }
    void other_number(std::string_view digits) override { append(digits); }
    void boolean(bool value) override { append(value ? "true" : "false"); }
    void null() override { append("null"); }

    std::string take() { return std::move(text_); }

  private:
    bool is_inside() const { return is_next_ && depth_ > depth_of_value_; }
    bool is_copied() const { return is_next_ && depth_ >= depth_of_value_; }
    void separate() {
        if (needs_comma_)
            text_ += ',';
        needs_comma_ = true;
    }
    void append(std::string_view value) {
        if (is_copied()) {
            separate();
            text_ += value;
        }
    }
    void begin(char bracket) {
        if (is_copied()) {
            separate();
            text_ += bracket;
            needs_comma_ = false;
        }
        ++depth_;
    }
    void end(char bracket) {
        --depth_;
        if (is_copied()) {
            text_ += bracket;
            needs_comma_ = true;
        }
    }

    std::string_view name_;
    std::size_t depth_of_value_;
    std::size_t depth_ = 0;
    bool is_in_parameters_ = false;
    bool is_next_ = false; // the value that comes, or that has begun
    bool needs_comma_ = false;
    std::string text_;
};

} // namespace

std::string parameter_text(std::string_view message, std::string_view name) {
    Copy copy(name);
    return read_json(message, copy) ? copy.take() : "";
}

} // namespace portd::proto
