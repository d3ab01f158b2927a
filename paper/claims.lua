-- What becomes of a claim (`holds="…"`) that the release does not bear out: it is struck, and says so; a section that loses over
-- half of its claims gives way to its tables and figures. `claims.json`, written before the rendering, has the verdicts.

local NOTES = {["false"] = "not borne out by this release", missing = "not in this release"}
local GIVES_WAY = "Most of what stands in this section for the current release is not borne out by this one; what follows are its tables and figures."

local root = quarto and quarto.project and quarto.project.directory or "."
local file = io.open(root .. "/claims.json")
if not file then return {} end
local verdicts = pandoc.json.decode(file:read("a"), false)
file:close()

local function verdict(assertion)
  local found = verdicts[(assertion:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))]
  if not found then error("this claim was not judged before the rendering: " .. assertion) end
  return found
end

local function note(state)
  return pandoc.Span({pandoc.Str("[" .. NOTES[state] .. "]")}, pandoc.Attr("", {"claim-note"}))
end

-- A struck text with the note behind it, as inlines.
local function struck(content, state)
  return pandoc.Inlines({pandoc.Strikeout(content), pandoc.Space(), note(state)})
end

local function mark(element, found)
  element.classes:insert("claim")
  element.attributes["data-holds"] = element.attributes.holds
  element.attributes.holds = nil
  element.attributes["data-state"] = found.state
  element.attributes.title = found.why
end

local function span(element)
  if not element.attributes.holds then return nil end
  local found = verdict(element.attributes.holds)
  if found.state ~= "true" then element.content = struck(element.content, found.state) end
  mark(element, found)
  return element
end

local function block(element)
  if not element.attributes.holds then return nil end
  local found = verdict(element.attributes.holds)
  if found.state ~= "true" then
    local strike = function(paragraph)
      paragraph.content = struck(paragraph.content, found.state)
      return paragraph
    end
    element = element:walk({Para = strike, Plain = strike})
  end
  mark(element, found)
  return element
end

local function image(element)
  local assertion = element.attributes["alt-holds"]
  if not assertion then return nil end
  local found = verdict(assertion)
  element.attributes["alt-holds"] = nil
  if found.state ~= "true" then
    element.attributes["fig-alt"] = "[" .. NOTES[found.state] .. "] " .. (element.attributes["fig-alt"] or "")
  end
  return element
end

-- The line that says what a page is for stands by itself: it is struck, and takes nothing along.
local function headline(element)
  return element.t == "Div" and (element.classes:includes("finding") or element.classes:includes("so-what"))
end

-- How many claims a block holds, and how many of them the release does not bear out.
local function count(element)
  local all, lost = 0, 0
  local look = function(inner)
    if inner.attributes.holds then
      all = all + 1
      if verdict(inner.attributes.holds).state ~= "true" then lost = lost + 1 end
    end
  end
  pandoc.Blocks({element}):walk({Span = look, Div = look})
  return all, lost
end

local function prose(element)
  if element.t == "BulletList" or element.t == "OrderedList" or element.t == "BlockQuote" then return true end
  if element.t == "Div" and element.attributes.holds then return true end
  if element.t ~= "Para" and element.t ~= "Plain" then return false end
  local kept = false
  pandoc.Blocks({element}):walk({
    Math = function(inner) kept = kept or inner.mathtype == "DisplayMath" end,
    Image = function() kept = true end,
  })
  return not kept
end

-- Without the prose of sections most of whose claims are lost. A section reaches from one heading to the next.
local function giveWay(blocks)
  local sections = {{}}
  for _, element in ipairs(blocks) do
    if element.t == "Header" then table.insert(sections, {}) end
    table.insert(sections[#sections], element)
  end
  local out = pandoc.Blocks({})
  for _, section in ipairs(sections) do
    local all, lost = 0, 0
    for _, element in ipairs(section) do
      local n, m = count(element)
      if not headline(element) then all, lost = all + n, lost + m end
    end
    local gone = 2 * lost > all
    local notice = pandoc.Div({pandoc.Para({pandoc.Str(GIVES_WAY)})}, pandoc.Attr("", {"gave-way"}))
    if gone and section[1].t ~= "Header" then out:insert(notice) end
    for place, element in ipairs(section) do
      if element.t == "Header" or not (gone and prose(element)) then out:insert(element) end
      if gone and place == 1 and element.t == "Header" then out:insert(notice) end
    end
  end
  return out
end

function Pandoc(document)
  document.blocks = giveWay(document.blocks)
  return document:walk({Span = span, Div = block, Image = image})
end
